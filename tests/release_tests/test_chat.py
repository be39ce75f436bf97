"""A conversation with a model: prompts with all that was said, text as it comes, an end at any time."""

import pytest
import torch
from PIL import Image
from transformers import AutoTokenizer

from model.config import GenerationConfig
from model.conversation.encode import IMAGE_TOKEN_ID, encode_prompt
from pipeline.release.chat import Chat, PlaceholderError, TooLongError, _Pieces
from tests.support.encoded import encode_conversation
from tests.support.shared_data import shared_data
from tests.support.small_model import build_model

IMAGE = Image.effect_noise((40, 30), 90).convert("RGB")
OTHER = Image.new("RGB", (40, 30), "red")
QUESTION = "左上の図形は何色ですか。"


def chat_with(*images, **generation) -> Chat:
    return Chat(build_model("gpt2"), images, GenerationConfig(**{"max_new_tokens": 8, **generation}))


def test_the_pieces_are_the_answer_of_the_model():
    chat = chat_with(IMAGE)
    model = chat.model
    prompt = encode_prompt(QUESTION, num_images=1, template="v1", tokenizer=model.tokenizer)
    assert chat.prompt(QUESTION).token_ids == prompt
    (ids,) = model.vlm.generate(
        [prompt], [chat._features], chat.generation, eos_token_id=model.tokenizer.eos_token_id, pad_token_id=3
    )
    expected = model.tokenizer.decode(ids, skip_special_tokens=True)
    pieces = list(chat.answer(QUESTION))
    assert "".join(pieces) == expected
    assert len(pieces) > 1
    assert chat.history == [(f"<image>\n{QUESTION}", expected.strip())]
    assert "".join(chat_with(IMAGE, num_beams=2).answer(QUESTION))


def test_a_second_question_continues_the_conversation():
    chat = chat_with(IMAGE)
    "".join(chat.answer(QUESTION))
    prompt = chat.prompt("では、右下は？").token_ids
    exchanges = [*chat.history, ("では、右下は？", "赤")]
    whole = encode_conversation(exchanges, num_images=1, template="v1", tokenizer=chat.model.tokenizer)
    assert whole.input_ids[: len(prompt)] == prompt
    assert prompt.count(IMAGE_TOKEN_ID) == 1
    first = chat_with(IMAGE).prompt(QUESTION).token_ids
    assert prompt[: len(first)] == first


def test_images_stand_with_the_question_that_they_are_shown_with():
    chat = chat_with(IMAGE, OTHER)
    "".join(chat.answer("<image>と<image>の違いは？"))
    "".join(chat.answer("なぜ？"))
    chat.show([IMAGE])
    prompt = chat.prompt("では、これは？")
    exchanges = [*chat.history, ("<image>\nでは、これは？", "赤")]
    assert [question for question, _ in exchanges[:2]] == ["<image>と<image>の違いは？", "なぜ？"]
    whole = encode_conversation(exchanges, num_images=3, template="v1", tokenizer=chat.model.tokenizer)
    assert whole.input_ids[: len(prompt.token_ids)] == prompt.token_ids
    assert [torch.equal(one, prompt.features[0]) for one in prompt.features] == [True, False, True]


def test_a_question_that_names_another_number_of_images_is_refused():
    with pytest.raises(PlaceholderError, match="names 1 images with <image>, and 2 are shown with it"):
        chat_with(IMAGE, OTHER).prompt("<image>は？")
    assert chat_with(IMAGE).prompt("<image>は？").token_ids.count(IMAGE_TOKEN_ID) == 1


def test_text_alone_can_be_asked():
    chat = chat_with()
    assert IMAGE_TOKEN_ID not in chat.prompt(QUESTION).token_ids
    assert "".join(chat.answer(QUESTION))


def test_an_answer_that_is_stopped_is_not_remembered():
    chat = chat_with(IMAGE, max_new_tokens=60)
    pieces = chat.answer(QUESTION)
    next(pieces)
    pieces.close()
    assert chat.history == []
    assert "".join(chat.answer(QUESTION))


def test_an_error_of_the_generation_reaches_the_one_who_asked(monkeypatch):
    chat = chat_with()
    monkeypatch.setattr(chat.model.vlm.llm, "generate", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(chat.answer(QUESTION))


def test_an_answer_takes_the_room_that_is_left_and_a_full_conversation_is_said():
    chat = chat_with(IMAGE, max_new_tokens=1000)
    prompt = chat.prompt(QUESTION)
    length = len(prompt.token_ids) - 1 + len(prompt.features[0])
    assert chat._fitted(prompt).max_new_tokens == 128 - length
    chat.history = [(QUESTION, "赤" * 200)]
    with pytest.raises(TooLongError, match="tokens and the model takes 128; start a new conversation"):
        list(chat.answer(QUESTION))


def test_text_comes_when_its_characters_are_whole():
    tokenizer = AutoTokenizer.from_pretrained(shared_data() / "llmjp_tokenizer")
    text = "猫と𩸽の隣 a cat\nです。"
    ids = tokenizer(text)["input_ids"][:-1]
    pieces: list[str] = []
    streamer = _Pieces(tokenizer, pieces.append)
    streamer.put(torch.zeros(1, 0, dtype=torch.long))
    for token in ids:
        streamer.put(torch.tensor([token]))
    streamer.end()
    assert "".join(pieces) == tokenizer.decode(ids)
    assert not any("\ufffd" in piece for piece in pieces)
    assert len(pieces) > 5
