"""The Jinja of a released processor writes what the conversations of training write, token by token."""

import pytest
from transformers import AutoTokenizer

from model.conversation.encode import IMAGE_TOKEN_ID, encode_prompt
from model.disk.release_folder import with_image_token
from model.disk.release_templates import added_ends, release_template
from model.release.processing_llava_jp import LlavaJpImageProcessor, LlavaJpProcessor
from pipeline.config.experiment import TOKENIZER_FOLDER
from tests.model_tests.test_conversation import llm_jp, with_bos  # noqa: F401  # fixtures
from tests.support.shared_data import shared_data

HISTORY = [("何がありますか。", "猫がいます。"), (" 何匹？", "二匹 です")]
QUESTION = "  色は？ "
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def chatml():
    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER_FOLDER / "shapes-ja")
    tokenizer.add_special_tokens({"extra_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = CHATML
    return tokenizer


def processor_of(tokenizer, template) -> LlavaJpProcessor:
    return LlavaJpProcessor(
        LlavaJpImageProcessor(),
        with_image_token(tokenizer),
        chat_template=release_template(template, tokenizer),
        num_image_tokens=1,
        adds_special_tokens=template != "chat",
    )


def messages(history, question, *, num_images):
    texts = [text for exchange in [*history, (question, "")] for text in exchange][:-1]
    chat = [
        {"role": ("user", "assistant")[index % 2], "content": [{"type": "text", "text": text}]}
        for index, text in enumerate(texts)
    ]
    chat[0]["content"] = [{"type": "image"}] * num_images + chat[0]["content"]
    return chat


CASES = [
    (name, template, history)
    for name, template in (("llm_jp", "v1"), ("with_bos", "v1"), ("with_bos", "karasu"), ("chatml", "chat"))
    for history in ([], HISTORY[:1], HISTORY)
]


@pytest.mark.parametrize("num_images", [0, 1, 2])
@pytest.mark.parametrize(("tokenizer_name", "template", "history"), [*CASES, ("llm_jp", "plain", [])])
def test_a_released_prompt_has_the_tokens_of_training(request, tokenizer_name, template, history, num_images):
    tokenizer = request.getfixturevalue(tokenizer_name)
    processor = processor_of(tokenizer, template)
    text = processor.apply_chat_template(messages(history, QUESTION, num_images=num_images), add_generation_prompt=True)
    ids = processor._ids(text, add_special_tokens=processor.adds_special_tokens)
    found = tuple(IMAGE_TOKEN_ID if token == processor.image_token_id else token for token in ids)
    assert found == encode_prompt(
        QUESTION, history=history, num_images=num_images, template=template, tokenizer=tokenizer
    )


@pytest.mark.parametrize(("tokenizer_name", "template"), [("llm_jp", "v1"), ("with_bos", "karasu"), ("chatml", "chat")])
def test_each_of_several_images_stands_in_a_released_prompt_where_its_part_does(request, tokenizer_name, template):
    tokenizer = request.getfixturevalue(tokenizer_name)
    processor = processor_of(tokenizer, template)
    image = {"type": "image"}
    chat = [
        {"role": "user", "content": [{"type": "text", "text": "一枚目"}, image, {"type": "text", "text": "と"}, image]},
        {"role": "assistant", "content": [{"type": "text", "text": "猫"}]},
        {"role": "user", "content": [image, {"type": "text", "text": "は？"}]},
    ]
    text = processor.apply_chat_template(chat, add_generation_prompt=True)
    ids = processor._ids(text, add_special_tokens=processor.adds_special_tokens)
    found = tuple(IMAGE_TOKEN_ID if token == processor.image_token_id else token for token in ids)
    assert found == encode_prompt(
        "<image>\nは？",
        history=[("一枚目\n<image>\nと\n<image>", "猫")],
        num_images=3,
        template=template,
        tokenizer=tokenizer,
    )


@pytest.mark.parametrize(
    ("tokenizer_name", "template", "spelled"),
    [
        ("llm_jp", "v1", "<EOD|LLM-jp>"),
        ("with_bos", "karasu", "</s>"),
        ("with_bos", "v1", "<s>"),
        ("chatml", "chat", "<|im_end|>"),
    ],
)
def test_a_control_token_that_a_message_spells_is_text_in_a_released_prompt(request, tokenizer_name, template, spelled):
    tokenizer = request.getfixturevalue(tokenizer_name)
    processor = processor_of(tokenizer, template)
    history, question = [("何がありますか。", f"猫{spelled}犬")], f"色{spelled}は？"
    chat = messages(history, question, num_images=1)
    text = processor.apply_chat_template(chat, add_generation_prompt=True)
    ids = processor._ids(text, add_special_tokens=processor.adds_special_tokens)
    found = tuple(IMAGE_TOKEN_ID if token == processor.image_token_id else token for token in ids)
    assert found == encode_prompt(question, history=history, num_images=1, template=template, tokenizer=tokenizer)
    clean = messages([("何", "猫犬")], "色は？", num_images=1)
    expected = processor._ids(
        processor.apply_chat_template(clean, add_generation_prompt=True),
        add_special_tokens=processor.adds_special_tokens,
    )
    token = tokenizer.convert_tokens_to_ids(spelled)
    assert ids.count(token) == expected.count(token)


def test_content_may_be_plain_text_and_a_system_message_replaces_the_systems_sentence(llm_jp):  # noqa: F811
    processor = processor_of(llm_jp, "v1")
    chat = [{"role": "system", "content": "短く答える。"}, {"role": "user", "content": "何？"}]
    assert processor.apply_chat_template(chat, add_generation_prompt=True) == "短く答える。 ユーザー: 何？ システム: "


def test_what_a_tokenizer_adds_is_known(llm_jp, with_bos, chatml):  # noqa: F811
    assert [added_ends(tokenizer) for tokenizer in (llm_jp, with_bos, chatml)] == [
        ("", "<EOD|LLM-jp>"),
        ("<s>", ""),
        ("", ""),
    ]


def test_a_processor_refuses_what_would_give_other_answers():
    tokenizer = AutoTokenizer.from_pretrained(shared_data() / "llmjp_tokenizer")
    processor = processor_of(tokenizer, "v1")
    with pytest.raises(ValueError, match="the text has 1 <image> for 0 images"):
        processor(text="<image>\n何？")
    with pytest.raises(ValueError, match="truncation would cut vision tokens off"):
        processor(text="何？", truncation=True)
