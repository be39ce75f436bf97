"""The generated world must be answerable, balanced, reproducible, and invisible in part at half the resolution."""

import hashlib
import io
import itertools
import random
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from transformers import AutoTokenizer

from model.conversation.templates import SYSTEM_TEXT
from pipeline.data.shapes_ja import ANSWERS, IMAGE_SIZE, Scene, Shape, draw_scene, generate_shapes
from pipeline.data.shapes_ja_tokenizer import DIRECTORY, make_tokenizer

CONTENTS = ("captions", "conversations", "questions")
NUM_QUESTIONS = 192


def texts(content, num_images=100):
    records = [record for record, _ in generate_shapes(content, num_images=num_images, seed=0)]
    return [message["value"] for record in records for message in record["conversations"]]


@pytest.fixture(scope="module")
def questions():
    return list(generate_shapes("questions", num_images=NUM_QUESTIONS, seed=0))


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(DIRECTORY)


@pytest.mark.parametrize("content", CONTENTS)
def test_a_longer_stream_begins_with_the_same_records(content):
    short = list(generate_shapes(content, num_images=5, seed=3))
    assert short == list(itertools.islice(generate_shapes(content, num_images=9, seed=3), len(short)))


def test_another_seed_draws_other_images():
    first, second = ([png for _, (png,) in generate_shapes("captions", num_images=20, seed=seed)] for seed in (0, 1))
    assert not set(first) & set(second)


def test_no_question_shares_an_image_with_training():
    hashes = {
        content: {hashlib.sha256(png).hexdigest() for _, (png,) in generate_shapes(content, num_images=300, seed=0)}
        for content in CONTENTS
    }
    assert [len(found) for found in hashes.values()] == [300, 300, 300]
    assert not hashes["questions"] & (hashes["captions"] | hashes["conversations"])


def test_images_are_rgb_and_112_pixels_square(questions):
    image = Image.open(io.BytesIO(questions[0][1][0]))
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (IMAGE_SIZE, IMAGE_SIZE))


def test_a_record_names_its_image(questions):
    record = questions[0][0]
    assert (record["id"], record["image"]) == ("shapes-questions-000001", "shapes-questions-000001.png")


@pytest.mark.parametrize("content", CONTENTS)
def test_the_image_token_stands_once_in_the_first_message(content):
    for record, _ in generate_shapes(content, num_images=30, seed=0):
        counts = [message["value"].count("<image>") for message in record["conversations"]]
        assert counts[0] == 1
        assert not any(counts[1:])


def test_categories_and_their_answers_are_equally_frequent(questions):
    assert Counter(record["category"] for record, _ in questions) == dict.fromkeys(ANSWERS, NUM_QUESTIONS // 4)
    for category, answers in ANSWERS.items():
        given = Counter(r["conversations"][1]["value"] for r, _ in questions if r["category"] == category)
        assert given == dict.fromkeys(answers, NUM_QUESTIONS // 4 // len(answers))


def test_chance_is_one_answer_of_all():
    assert {category: len(answers) for category, answers in ANSWERS.items()} == {
        "colour": 6,
        "position": 4,
        "counting": 3,
        "small_detail": 4,
    }


def test_the_conversations_ask_every_category_and_some_have_several_turns():
    records = [record for record, _ in generate_shapes("conversations", num_images=30, seed=0)]
    answers = {message["value"] for record in records for message in record["conversations"][1::2]}
    assert all(answers & set(possible) for possible in ANSWERS.values())
    assert {len(record["conversations"]) for record in records} == {2, 4, 6}


def test_an_image_has_six_conversations():
    records = [record for record, _ in generate_shapes("conversations", num_images=3, seed=0)]
    assert Counter(record["image"] for record in records) == {
        "shapes-conversations-000001.png": 6,
        "shapes-conversations-000002.png": 6,
        "shapes-conversations-000003.png": 6,
    }


def tag_pixels(pattern, *, side):
    """The inner 10 of the tag's 14 pixels, seen at a resolution, as grey levels."""
    star = Shape(kind="星", colour="青", position="右下")
    png = draw_scene(Scene(shapes=(star,), tagged=star, pattern=pattern), random.Random(0))
    image = Image.open(io.BytesIO(png)).resize((side, side), Image.Resampling.BICUBIC)
    left, right = (edge * side // IMAGE_SIZE for edge in (86, 96))
    return np.asarray(image.convert("L"), dtype=float)[left:right, left:right]


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(ANSWERS["small_detail"], 2)))
def test_half_the_resolution_hides_what_full_resolution_shows(first, second):
    full, half = (np.abs(tag_pixels(first, side=s) - tag_pixels(second, side=s)).mean() for s in (112, 56))
    assert full > 100
    assert half < 10


@pytest.mark.parametrize("text", ["鬱病の𠮷野家で😀。", "Hello,  world!\n", "<0x41>", "が゙ー「カ」", SYSTEM_TEXT])
def test_any_text_comes_back_unchanged(tokenizer, text):
    ids = tokenizer(text).input_ids
    assert tokenizer.decode(ids) == text
    assert tokenizer.unk_token_id not in ids


@pytest.mark.parametrize("content", CONTENTS)
def test_generated_texts_need_no_byte_fallback(tokenizer, content):
    for text in [*texts(content), SYSTEM_TEXT]:
        assert not [token for token in tokenizer.tokenize(text) if token.startswith("<0x")]


def test_offsets_point_to_the_characters_of_each_token(tokenizer):
    text = "ユーザー: 鬱病は？ システム: 市松</s>"
    encoded = tokenizer(text, return_offsets_mapping=True)
    pieces = [text[start:end] for start, end in encoded.offset_mapping]
    assert pieces == ["ユーザー: ", *"鬱鬱鬱病病病は？ ", "システム: ", "市松", "</s>"]


def test_nothing_is_added_to_a_text(tokenizer):
    assert len(tokenizer("市松").input_ids) == 1
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == ("<s>", "</s>", "<pad>")


def test_the_tokenizer_file_is_what_the_generator_needs_today():
    assert (DIRECTORY / "tokenizer.json").read_text() == make_tokenizer().to_str(pretty=True)
