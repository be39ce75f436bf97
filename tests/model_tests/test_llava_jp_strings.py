"""Ids and label masks beside those of LLaVA-JP's data code, on its own tokenizer."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from model.conversation.encode import IGNORED_LABEL
from model.conversation.templates import TemplateError
from tests.support import llava_jp_strings
from tests.support.encoded import encode_conversation
from tests.support.shared_data import shared_data

EOD = "<EOD|LLM-jp>"


@pytest.fixture(scope="module")
def llm_jp():
    return AutoTokenizer.from_pretrained(shared_data() / "llmjp_tokenizer")


def encode(exchanges, tokenizer, *, template="v1", supervision="answers"):
    """As a record is encoded: it has an image where a message names one."""
    has_image = template == "plain" or any("<image>" in question for question, _ in exchanges)
    encoded = encode_conversation(
        exchanges, num_images=int(has_image), template=template, tokenizer=tokenizer, supervision=supervision
    )
    return list(encoded.input_ids), list(encoded.labels)


CONVERSATIONS = [
    [("猫の隣には何がありますか？", "犬がいます。")],
    [("<image>\n猫の隣には何がありますか？", "犬がいます。")],
    [("猫の隣には何がありますか？\n<image>", "犬がいます。")],
    [("猫の隣には<image>何がありますか？ ", " 犬がいます。 ")],
    [("<image>", "犬がいます。")],
    [("何ですか。", "The cat is here.")],
    [("<image>\nWhat is this?", "猫です。"), ("色は。", "White and 黒"), ("Really?", "はい")],
    [("こんにちは。", "はい。"), ("<image>\nこれは？", "猫です。")],
    [("<image>\n改行は\nありますか。\n", "\n一行目\n二行目\n\n四行目\n")],
    [("<image>\n1+1は？", "2")],
    [("<image>\n絵文字は？🐈", "🐈と🐕‍🦺")],
    [("<image>\n  全角　空白  ", "半角 と　全角   ")],
    [("<image>\nコードを書いてください。", "```python\n    print('猫')\n```")],
    [("ユーザー: と言う", "システム: と答える")],
]


@pytest.mark.parametrize("supervision", ["answers", "llava-jp"])
@pytest.mark.parametrize("exchanges", CONVERSATIONS)
def test_ids_and_labels_are_those_of_llava_jp(llm_jp, exchanges, supervision):
    assert encode(exchanges, llm_jp, supervision=supervision) == llava_jp_strings.v1(exchanges, llm_jp)


@pytest.mark.parametrize("file", ["pretrain", "instruct"])
def test_ids_and_labels_of_real_conversations_are_those_of_llava_jp(llm_jp, file):
    records = json.loads((shared_data() / "photos" / f"{file}.json").read_text(encoding="utf-8"))
    assert len(records) > 30
    for record in records:
        texts = [message["value"] for message in record["conversations"]]
        exchanges = list(zip(texts[::2], texts[1::2], strict=True))
        assert encode(exchanges, llm_jp) == llava_jp_strings.v1(exchanges, llm_jp)
        expected = llava_jp_strings.plain(texts[1], llm_jp)
        assert encode(exchanges[:1], llm_jp, template="plain", supervision="llava-jp") == expected


@pytest.mark.parametrize("caption", ["白い猫", "赤い\nバス。", "「猫」と犬", " 白い猫 ", "\n猫"])
def test_ids_and_labels_of_a_japanese_caption_are_those_of_llava_jp(llm_jp, caption):
    expected = llava_jp_strings.plain(caption, llm_jp)
    assert encode([("", caption)], llm_jp, template="plain", supervision="llava-jp") == expected


WORDS = st.sampled_from(
    [
        *"猫犬の隣には何がありますか？。、「」あアーカ々０Ａ🐈龘 \n　:.!'-#aThe019",
        "the cat",
        "システム",
        "ユーザー:",
        "  ",
    ]
)
MESSAGES = st.lists(WORDS, min_size=1, max_size=12).map("".join).filter(str.strip)
ODD = st.lists(WORDS | st.sampled_from([" システム: ", "システム: "]), max_size=6).map("".join)


@st.composite
def conversations(draw, messages, *, last_place=2):
    """Up to three exchanges; one of the questions may name the image, at its front or its end."""
    exchanges = draw(st.lists(st.tuples(messages, messages), min_size=1, max_size=3))
    place = draw(st.integers(-1, min(last_place, len(exchanges) - 1)))
    if place >= 0:
        question, answer = exchanges[place]
        exchanges[place] = (draw(st.sampled_from([f"<image>\n{question}", f"{question}\n<image>"])), answer)
    return exchanges


@given(conversations(MESSAGES.filter(lambda text: " システム: " not in f" {text} ")))
@settings(deadline=None, max_examples=150)
def test_ids_and_labels_of_any_text_are_those_of_llava_jp(llm_jp, exchanges):
    assert encode(exchanges, llm_jp) == llava_jp_strings.v1(exchanges, llm_jp)


@given(conversations(ODD, last_place=0))
@example([("何", "")])
@example([("何", ""), ("色", "白")])
@example([("", "白")])
@example([("<image>", "")])
@settings(deadline=None, max_examples=200)
def test_the_compatible_mode_follows_llava_jp_into_its_defects(llm_jp, exchanges):
    assert encode(exchanges, llm_jp, supervision="llava-jp") == llava_jp_strings.v1(exchanges, llm_jp)


@given(ODD.filter(str.strip))
@example("A")
@settings(deadline=None, max_examples=60)
def test_the_compatible_mode_masks_three_ids_of_every_caption(llm_jp, caption):
    expected = llava_jp_strings.plain(caption, llm_jp)
    assert expected[1][:3] == [IGNORED_LABEL] * 3
    assert encode([("", caption)], llm_jp, template="plain", supervision="llava-jp") == expected


@given(conversations(MESSAGES))
@settings(deadline=None, max_examples=60)
def test_what_is_learned_is_the_answers_and_nothing_else(llm_jp, exchanges):
    _, labels = encode(exchanges, llm_jp)
    answers = llm_jp.decode([label for label in labels if label != IGNORED_LABEL]).split(EOD)
    assert [answer.strip() for answer in answers] == [*(answer.strip() for _, answer in exchanges), ""]


# karasu


@pytest.fixture(scope="module")
def llama():
    """As Llama's tokenizers do: a BOS before every text, "▁" before every stretch of it, some pieces of two letters."""
    letters = sorted({*llava_jp_strings.SYSTEM, *"▁:猫犬隣何りす。、「」あアーカ々０Ａ龘\n　.!'-#aThe019cat"})
    pieces = ["<unk>", "<s>", "</s>", *letters, "▁猫", "▁a", "▁▁", "Th", "▁T"]
    backend = Tokenizer(models.Unigram([(piece, -1.0) for piece in dict.fromkeys(pieces)], unk_id=0))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


@given(conversations(MESSAGES.filter(lambda text: " システム: " not in f" {text} "), last_place=0))
@example([("<image>\n何", "猫"), ("色", "a cat")])
@settings(deadline=None, max_examples=100)
def test_karasu_is_counted_from_behind_the_bos(llama, exchanges):
    expected = llava_jp_strings.v1(exchanges, llama, end="</s>", first=1)
    assert encode(exchanges, llama, template="karasu") == expected
    assert expected[0].count(llama.bos_token_id) == 1


def test_karasu_needs_a_tokenizer_of_llamas_kind(llm_jp, llama):
    with pytest.raises(TemplateError, match="needs a tokenizer of the Llama family, with a BOS and </s>; take v1 or"):
        encode([("何", "猫")], llm_jp, template="karasu")
    backend = Tokenizer.from_str(llama.backend_tokenizer.to_str())
    backend.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    bare = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    with pytest.raises(TemplateError, match="needs a tokenizer that begins every text with its BOS; take v1"):
        encode([("何", "猫")], bare, template="karasu")


# Where we leave LLaVA-JP on purpose


def learned(labels, tokenizer) -> list[str]:
    return tokenizer.convert_ids_to_tokens([label for label in labels if label != IGNORED_LABEL])


def test_a_role_name_inside_a_message_does_not_end_the_supervision(llm_jp):
    exchanges = [("何と言いますか。", "次は システム: です"), ("色は。", "白")]
    assert learned(encode(exchanges, llm_jp)[1], llm_jp)[-3:] == ["▁", "白", EOD]
    assert learned(encode(exchanges, llm_jp, supervision="llava-jp")[1], llm_jp) == []


def test_an_end_that_the_data_spells_is_text_in_the_compatible_mode_too(llm_jp):
    exchanges = [(f"何{EOD}", f"a{EOD}b"), ("色", "白")]
    ids, labels = encode(exchanges, llm_jp, supervision="llava-jp")
    assert ids.count(llm_jp.eos_token_id) == 3  # of two answers, and of the whole text
    spelled = ["▁a", "<", "▁E", "OD", "|", "LL", "M", "-", "jp", ">", "b", EOD]
    assert learned(labels, llm_jp) == [*spelled, "▁", "白", EOD]
    caption, _ = encode([("", EOD)], llm_jp, template="plain", supervision="llava-jp")
    assert caption.count(llm_jp.eos_token_id) == 2  # before the image and of the whole text


def test_a_caption_in_latin_letters_keeps_its_first_word(llm_jp):
    exchanges = [("", "A cat")]
    assert learned(encode(exchanges, llm_jp, template="plain")[1], llm_jp) == ["▁A", "▁", "cat", "\n", EOD]
    theirs = encode(exchanges, llm_jp, template="plain", supervision="llava-jp")[1]
    assert learned(theirs, llm_jp) == ["▁", "cat", "\n", EOD]


def test_an_answer_of_white_space_is_not_learned(llm_jp):
    exchanges = [("何ですか。", " "), ("色は。", "白")]
    assert learned(encode(exchanges, llm_jp)[1], llm_jp) == ["▁", "白", EOD]
    assert learned(encode(exchanges, llm_jp, supervision="llava-jp")[1], llm_jp) == ["▁▁", EOD, "▁", "白", EOD]
