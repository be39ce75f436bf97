"""Chat templates in the styles of real models, on a tokenizer of bytes."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from model.conversation.encode import IGNORED_LABEL, IMAGE_TOKEN_ID, encode_prompt, end_token_id
from model.conversation.templates import TemplateError
from tests.support.encoded import encode_conversation

SPECIAL = [
    "<s>",
    "</s>",
    "<|im_start|>",
    "<|im_end|>",
    "<|head|>",
    "<|tail|>",
    "<|eot|>",
    "<turn>",
    "<end>",
    "[INST]",
    "[/INST]",
]

INSTRUCT = """{{ bos_token }}{% for message in messages -%}
{% if message.role == 'user' %}{{ '\\n\\n### 指示:\\n' + message.content }}
{%- elif message.role == 'system' %}{{ '以下は指示です。' }}
{%- else %}{{ '\\n\\n### 応答:\\n' + message.content + eos_token }}{% endif %}
{%- if loop.last and add_generation_prompt %}{{ '\\n\\n### 応答:\\n' }}{% endif %}{% endfor %}"""

CHATML = """{% if messages[0].role != 'system' %}{{ '<|im_start|>system\\n親切に。<|im_end|>\\n' }}{% endif -%}
{% for message in messages -%}
{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor -%}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

THINKING = """{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' }}
{%- if message.role == 'assistant' and loop.last %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif -%}
{{ message.content + '<|im_end|>\\n' }}{% endfor -%}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

HEADERS = """{{ bos_token + '<|head|>system<|tail|>\\n\\n' }}
{{- (date_string if date_string is defined else strftime_now('%d')) + '<|eot|>' }}{% for message in messages -%}
{{ '<|head|>' + message.role + '<|tail|>\\n\\n' + message.content | trim + '<|eot|>' }}{% endfor -%}
{% if add_generation_prompt %}{{ '<|head|>assistant<|tail|>\\n\\n' }}{% endif %}"""

TURNS = """{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif -%}
{% for message in messages -%}
{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif -%}
{{ '<turn>' + ('model' if message.role == 'assistant' else message.role) + '\\n' + message.content | trim }}
{{- '<end>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<turn>model\\n' }}{% endif %}"""

BRACKETS = """{{ bos_token }}{% for message in messages -%}
{% if message.role == 'user' %}{{ '[INST] ' + message.content.strip() + ' [/INST]' }}
{%- else %}{{ ' ' + message.content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"""

MARKED = """{% for message in messages %}{% if message.role == 'assistant' -%}
{{ '<|im_start|>assistant\\n' }}{% generation %}{{ message.content + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}
{%- else %}{{ '<|im_start|>user\\n' + message.content + '<|im_end|>\\n' }}{% endif %}{% endfor -%}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

TEMPLATES = {
    "llm-jp-3": INSTRUCT,
    "qwen2": CHATML,
    "qwen3": THINKING,
    "llama-3": HEADERS,
    "gemma": TURNS,
    "mistral": BRACKETS,
    "generation-marks": MARKED,
}

EXCHANGES = [("<image>\n何ですか。", " 猫です。\n"), ("色は。", "白")]


def bytes_tokenizer(chat_template):
    """One token per byte, and some special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({letter: index for index, letter in enumerate(alphabet)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")
    tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL[2:]})
    tokenizer.chat_template = chat_template
    return tokenizer


def spelled(ids, tokenizer) -> str:
    """The text of some token ids, the image as IMG."""
    parts = [[]]
    for token in ids:
        if token == IMAGE_TOKEN_ID:
            parts.append([])
        else:
            parts[-1].append(token)
    return "IMG".join(map(tokenizer.decode, parts))


def learned(encoded, tokenizer) -> list[str]:
    """What is learned, run by run."""
    runs, is_open = [], False
    for label in encoded.labels:
        if label == IGNORED_LABEL:
            is_open = False
        elif is_open:
            runs[-1].append(label)
        else:
            runs.append([label])
            is_open = True
    return [tokenizer.decode(run) for run in runs]


def encode(exchanges, tokenizer, *, num_images=1):
    return encode_conversation(exchanges, num_images=num_images, template="chat", tokenizer=tokenizer)


@pytest.mark.parametrize(
    ("name", "text", "answers"),
    [
        (
            "llm-jp-3",
            "<s>\n\n### 指示:\nIMG\n何ですか。\n\n### 応答:\n 猫です。\n</s>\n\n### 指示:\n色は。\n\n### 応答:\n白</s>",
            [" 猫です。\n</s>", "白</s>"],
        ),
        (
            "qwen2",
            "<|im_start|>system\n親切に。<|im_end|>\n<|im_start|>user\nIMG\n何ですか。<|im_end|>\n<|im_start|>assistant\n"
            " 猫です。\n<|im_end|>\n<|im_start|>user\n色は。<|im_end|>\n<|im_start|>assistant\n白<|im_end|>\n",
            [" 猫です。\n<|im_end|>", "白<|im_end|>"],
        ),
        (
            "qwen3",
            "<|im_start|>user\nIMG\n何ですか。<|im_end|>\n<|im_start|>assistant\n 猫です。\n<|im_end|>\n"
            "<|im_start|>user\n色は。<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n白<|im_end|>\n",
            [" 猫です。\n<|im_end|>", "<think>\n\n</think>\n\n白<|im_end|>"],
        ),
        (
            "llama-3",
            "<s><|head|>system<|tail|>\n\n26 Jul 2024<|eot|><|head|>user<|tail|>\n\nIMG\n何ですか。<|eot|>"
            "<|head|>assistant<|tail|>\n\n猫です。<|eot|><|head|>user<|tail|>\n\n色は。<|eot|>"
            "<|head|>assistant<|tail|>\n\n白<|eot|>",
            ["猫です。<|eot|>", "白<|eot|>"],
        ),
        (
            "gemma",
            "<s><turn>user\nIMG\n何ですか。<end>\n<turn>model\n猫です。<end>\n<turn>user\n色は。<end>\n<turn>model\n白<end>\n",
            ["猫です。<end>", "白<end>"],
        ),
        (
            "mistral",
            "<s>[INST] IMG\n何ですか。 [/INST] 猫です。 </s>[INST] 色は。 [/INST] 白 </s>",
            [" 猫です。 </s>", " 白 </s>"],
        ),
        (
            "generation-marks",
            "<|im_start|>user\nIMG\n何ですか。<|im_end|>\n<|im_start|>assistant\n 猫です。\n<|im_end|>\n"
            "<|im_start|>user\n色は。<|im_end|>\n<|im_start|>assistant\n白<|im_end|>\n",
            [" 猫です。\n<|im_end|>", "白<|im_end|>"],
        ),
    ],
)
def test_what_is_learned_is_the_answers_with_the_end_of_their_turns(name, text, answers):
    tokenizer = bytes_tokenizer(TEMPLATES[name])
    encoded = encode(EXCHANGES, tokenizer)
    assert (spelled(encoded.input_ids, tokenizer), learned(encoded, tokenizer)) == (text, answers)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_ids_without_an_image_are_those_of_transformers(name):
    tokenizer = bytes_tokenizer(TEMPLATES[name])
    messages = [
        {"role": role, "content": text}
        for question, answer in EXCHANGES[1:]
        for role, text in (("user", question), ("assistant", answer))
    ]
    expected = tokenizer.apply_chat_template(messages, date_string="26 Jul 2024", return_dict=False)
    assert list(encode(EXCHANGES[1:], tokenizer, num_images=0).input_ids) == expected


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_prompt_is_that_of_transformers_and_training_begins_with_it(name):
    tokenizer = bytes_tokenizer(TEMPLATES[name])
    (question, answer), (again, last) = ("何。", "猫。"), ("色は。", "白")
    prompt = encode_prompt(again, num_images=0, template="chat", tokenizer=tokenizer, history=[(question, answer)])
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer},
        {"role": "user", "content": again},
    ]
    expected = tokenizer.apply_chat_template(
        messages, date_string="26 Jul 2024", add_generation_prompt=True, return_dict=False
    )
    assert list(prompt) == expected
    whole = encode([(question, answer), (again, last)], tokenizer, num_images=0)
    assert whole.input_ids[: len(prompt)] == prompt
    assert whole.labels[len(prompt) - 1] == IGNORED_LABEL
    assert whole.labels[len(prompt)] != IGNORED_LABEL


def test_the_image_opens_the_first_question_of_a_prompt_with_a_history():
    tokenizer = bytes_tokenizer(CHATML)
    prompt = encode_prompt("色は。", num_images=1, template="chat", tokenizer=tokenizer, history=[("何。", "猫。")])
    assert spelled(prompt, tokenizer).count("IMG\n何。<|im_end|>") == 1
    assert spelled(prompt, tokenizer).endswith("色は。<|im_end|>\n<|im_start|>assistant\n")


@pytest.mark.parametrize(
    ("name", "end"), [("llm-jp-3", "</s>"), ("qwen2", "<|im_end|>"), ("llama-3", "<|eot|>"), ("gemma", "<end>")]
)
def test_an_answer_ends_with_the_token_that_ends_a_turn(name, end):
    tokenizer = bytes_tokenizer(TEMPLATES[name])
    assert end_token_id("chat", tokenizer) == tokenizer.convert_tokens_to_ids(end)


TEXTS = st.text(st.sampled_from("猫犬 \n。a:<>|{}%'\"\u3000🐈"), max_size=8)


@pytest.mark.parametrize("name", TEMPLATES)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=3), st.booleans())
@settings(deadline=None, max_examples=15)
def test_any_messages_are_learned_exactly(name, exchanges, has_image):
    tokenizer = bytes_tokenizer(TEMPLATES[name])
    runs = learned(encode(exchanges, tokenizer, num_images=int(has_image)), tokenizer)
    end = tokenizer.convert_ids_to_tokens(end_token_id("chat", tokenizer))
    assert all(run.endswith(end) for run in runs)
    said = [run.removesuffix(end).removeprefix("<think>\n\n</think>\n\n").strip() for run in runs]
    assert said == [answer.strip() for _, answer in exchanges if answer.strip()]


@pytest.mark.parametrize("name", TEMPLATES)
@given(st.lists(st.tuples(st.lists(TEXTS, min_size=1, max_size=4), TEXTS), min_size=1, max_size=3))
@settings(deadline=None, max_examples=15)
def test_several_images_among_any_messages_are_at_their_places(name, talk):
    tokenizer = bytes_tokenizer(TEMPLATES[name])
    exchanges = [("<image>".join(parts), answer) for parts, answer in talk]
    num_images = sum(len(parts) - 1 for parts, _ in talk)
    assume(num_images > 1)
    encoded = encode(exchanges, tokenizer, num_images=num_images)
    assert encoded.input_ids.count(IMAGE_TOKEN_ID) == num_images
    without = encode(
        [("<image>".join(parts).replace("<image>", "IMG"), answer) for parts, answer in talk], tokenizer, num_images=0
    )
    assert learned(encoded, tokenizer) == learned(without, tokenizer)


# What no mask can be made for


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "the template chat needs a tokenizer with one chat template; take v1, or set chat_template in its"),
        (
            "{{ messages[-1].content + eos_token }}",
            "the chat template does not write every message once and in order; of 1",
        ),
        (
            "{% for message in messages %}{{ message.role + ': ' + message.content + '\\n' }}{% endfor %}",
            r"ends an answer without a special token \(it writes '\\n'\), so the model would never learn to stop",
        ),
        (
            "{{ strftime_now('%d') }}{% for message in messages %}{{ message.content + eos_token }}{% endfor %}",
            "the chat template writes today's date, so no two days would train the same",
        ),
        ("{{ raise_exception('tools only') }}", "the chat template refuses a conversation of 2 messages: tools only"),
        (
            "{% for message in messages %}{{ message.content + ('' if loop.last else eos_token) }}{% endfor %}",
            "ends an answer without a special token",
        ),
    ],
)
def test_a_template_whose_answers_are_not_known_is_refused(template, message):
    with pytest.raises(TemplateError, match=message):
        encode([("何", "猫")], bytes_tokenizer(template), num_images=0)


@pytest.mark.parametrize("answer", ["<think>猫</think>犬", "A"])
def test_a_template_that_changes_an_answer_is_refused_for_this_conversation_alone(answer):
    tokenizer = bytes_tokenizer(
        "{% for message in messages %}{{ message.content.split('</think>')[-1] | lower + eos_token }}{% endfor %}"
    )
    assert learned(encode([("何", "犬")], tokenizer, num_images=0), tokenizer) == ["犬</s>"]
    with pytest.raises(TemplateError, match="does not write these messages as they are, so where an answer begins and"):
        encode([("何", answer)], tokenizer, num_images=0)


def test_ends_that_differ_are_refused():
    template = (
        "{% for m in messages %}{{ m.content + ('</s>' if loop.last or m.role == 'user' else '<end>') }}{% endfor %}"
    )
    with pytest.raises(TemplateError, match="the chat template ends its answers in different ways: '</s>', '<end>'"):
        encode([("何", "猫"), ("色", "白")], bytes_tokenizer(template), num_images=0)


def test_the_masks_of_llava_jp_are_refused_for_a_chat_template():
    tokenizer = bytes_tokenizer(CHATML)
    with pytest.raises(TemplateError, match="LLaVA-JP has no chat templates whose masks could be followed"):
        encode_conversation([("何", "猫")], num_images=0, template="chat", tokenizer=tokenizer, supervision="llava-jp")


@pytest.mark.parametrize("spelled", ["<|im_end|>", "<|im_start|>", "</s>"])
def test_a_message_that_spells_a_control_token_writes_none(spelled):
    tokenizer = bytes_tokenizer(CHATML)
    token = tokenizer.convert_tokens_to_ids(spelled)
    dirty = encode([(f"何{spelled}", f"猫{spelled}犬")], tokenizer)
    clean = encode([("何", "猫犬")], tokenizer)
    assert dirty.input_ids.count(token) == clean.input_ids.count(token)
    assert learned(dirty, tokenizer) == [f"猫{spelled}犬<|im_end|>"]
