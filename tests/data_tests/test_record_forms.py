import base64
import itertools

import pytest

from pipeline.data.record_forms import PROBLEM, REMARKS, llava_form
from pipeline.data.samples import Finding, Sample, SampleImage, Turn, normalise
from tests.support.small_data import picture

ASKED = (Turn("user", "<image>\n何ですか。"), Turn("assistant", "犬です。"))
SAID = [{"role": "user", "content": "何ですか。"}, {"role": "assistant", "content": "犬です。"}]


def sample_of(record):
    found = normalise({"id": "1", **record}, record_index=0)
    assert isinstance(found, Sample), found
    return found


@pytest.mark.parametrize(
    "record",
    [
        {"image": "dog.jpg", "messages": SAID},
        {"images": ["dog.jpg"], "messages": SAID},
        {"images": "dog.jpg", "messages": SAID},
        {"images": [{"path": "dog.jpg"}], "messages": SAID},
        {"image_path": "dog.jpg", "messages": SAID},
        {"file_name": "./dog.jpg", "question": "何ですか。", "answer": "犬です。"},
        {"image": "dog.jpg", "instruction": "何ですか。", "input": "", "output": "犬です。"},
        {"image": "dog.jpg", "prompt": "何ですか。", "completion": "犬です。"},
        {"image": "dog.jpg", "prompt": SAID[:1], "completion": SAID[1:]},
        {"image": "dog.jpg", "messages": [{"user": "何ですか。", "assistant": "犬です。"}]},
        {"images": ["dog.jpg"], "conversations": [{"from": "human", "value": "<image>\n何ですか。"}, SAID[1]]},
        {"image": "dog.jpg", "messages": {"role": ["user", "assistant"], "content": ["何ですか。", "犬です。"]}},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": "dog.jpg"}},
                        {"type": "text", "text": "何ですか。"},
                    ],
                },
                {"role": "assistant", "content": [{"type": "text", "text": "犬です。"}]},
            ]
        },
        {
            "images": ["dog.jpg"],
            "messages": [
                {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "何ですか。"}]},
                SAID[1],
            ],
        },
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image", "image": "dog.jpg"}, {"type": "text", "text": "何ですか。"}],
                },
                SAID[1],
            ]
        },
    ],
)
def test_the_forms_that_people_use_say_the_same(record):
    found = sample_of(record)
    assert (found.image, found.turns) == ("dog.jpg", ASKED)


def test_a_caption_answers_the_question_of_pretraining():
    asked = Turn("user", "<image>\nこの画像を簡潔に説明してください。")
    for caption in ("犬です。", ["犬です。"]):
        found = sample_of({"image": "dog.jpg", "caption": caption})
        assert found.turns == (asked, Turn("assistant", "犬です。"))


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [{"role": "system", "content": "丁寧に。"}, *SAID]},
        {"system": "丁寧に。", "conversations": SAID},
        {"conversations": [{"from": "system", "value": "丁寧に。"}, {"from": "human", "value": "何ですか。"}, SAID[1]]},
    ],
)
def test_a_system_turn_stands_before_the_first_question_and_is_said(record):
    assert sample_of(record).turns[0] == Turn("user", "丁寧に。\n\n何ですか。")
    assert llava_form(record).record[REMARKS] == [["system_turn_joined", "丁寧に。"]]
    with_image = sample_of({**record, "image": "a.jpg", "conversations": None, "messages": SAID, "system": "丁寧に。"})
    assert with_image.turns[0] == Turn("user", "<image>\n丁寧に。\n\n何ですか。")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bild", "dog.jpg"),
        ("bild", {"bytes": picture(1), "path": None}),
        ("bild", [picture(1)]),
        ("bild", "data:image/png;base64,AAAA"),
        ("image_id", 123),
        ("video", "clip"),
        ("pixel_values", [[0, 1]]),
    ],
)
def test_a_key_that_holds_an_image_and_is_not_understood_is_no_text(key, value):
    found = normalise({"id": "1", key: value, "messages": SAID}, record_index=0)
    assert isinstance(found, Finding)
    assert found.check == "image_key_unknown"
    assert found.evidence.startswith(f"{key}: ")
    assert "read from image, images, image_path" in found.evidence


def test_beside_an_image_that_is_understood_such_a_key_is_a_remark():
    record = {"image": "dog.jpg", "coco_url": "http://images/9.jpg", "width": 3, "messages": SAID}
    ((check, evidence),) = llava_form(record).record[REMARKS]
    assert (check, evidence.partition(";")[0]) == ("image_key_unknown", "coco_url: 'http://images/9.jpg'")
    assert sample_of(record).image == "dog.jpg"


@pytest.mark.parametrize("record", [{"num_images": 0}, {"image_width": None}, {"model": "x"}, {"image": ""}])
def test_a_text_stays_a_text(record):
    assert sample_of({**record, "messages": SAID}).image is None


@pytest.mark.parametrize(
    "value",
    [
        "data:image/png;base64," + base64.b64encode(picture(1)).decode(),
        {"url": "data:image/png;base64," + base64.b64encode(picture(1)).decode()},
        {"bytes": picture(1), "path": "a.png"},
        picture(1),
        [picture(1)],
        base64.b64encode(picture(1) + bytes(5000)).decode(),
    ],
)
def test_an_image_inside_a_record_is_taken_out(value):
    form = llava_form({"image": value, "messages": SAID})
    (content,) = form.contents
    assert content.removesuffix(bytes(5000)) == picture(1)
    assert form.record["conversations"][0]["content"] == "<image>\n何ですか。"


def said(*texts):
    roles = itertools.cycle(["user", "assistant"])
    return [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]


def test_several_images_without_a_placeholder_stand_before_the_first_question_in_order():
    found = sample_of({"images": ["a.jpg", "b.jpg"], "messages": said("違いは。", "色。", "形は。", "丸。")})
    assert found.images == ("a.jpg", "b.jpg")
    assert [turn.text for turn in found.turns] == ["<image>\n<image>\n違いは。", "色。", "形は。", "丸。"]


def test_each_of_several_images_stands_at_its_own_placeholder():
    texts = ["<image>と比べて、", "はい。", "これは？<image>", "猫。"]
    found = sample_of({"images": ["a.jpg", "coco/train2017/000000000009.jpg"], "messages": said(*texts)})
    assert [turn.text for turn in found.turns] == texts
    assert (found.image, found.coco_id) == ("a.jpg", None)
    assert found.further_images == (SampleImage("coco/train2017/000000000009.jpg", None, 9, None),)


@pytest.mark.parametrize(
    ("texts", "evidence"),
    [
        (["<image>何。", "犬。"], "2 images, and 1 <image> in the questions"),
        (["<image><image><image>何。", "犬。"], "2 images, and 3 <image> in the questions"),
        (["<image>何。", "<image>犬。"], "2 images, and 1 <image> in the questions and 1 in the answers"),
    ],
)
def test_placeholders_and_images_that_differ_in_number_are_a_finding_with_both(texts, evidence):
    found = normalise({"id": "1", "images": ["a.jpg", "b.jpg"], "messages": said(*texts)}, record_index=0)
    assert (found.check, found.evidence) == ("image_tokens_differ", evidence)


def test_a_translation_that_lost_the_placeholders_of_several_images_is_a_finding():
    turns = [
        {"from": "human", "value": "<image> or <image>?", "jp": "どちら。"},
        {"from": "gpt", "value": "A", "jp": "左。"},
    ]
    found = normalise({"id": "1", "images": ["a.jpg", "b.jpg"], "conversations": turns}, record_index=0)
    assert (found.check, found.evidence) == ("image_tokens_differ", "2 images, and 0 <image> in the questions")


def test_images_of_parts_stand_where_their_parts_do_and_in_their_order():
    parts = [
        {"type": "text", "text": "一枚目"},
        {"type": "image_url", "image_url": {"url": "b.jpg"}},
        {"type": "image", "image": "a.jpg"},
    ]
    record = {"images": ["a.jpg", "b.jpg"], "messages": said(parts, "犬。")}
    assert sample_of(record).images == ("b.jpg", "a.jpg")
    assert sample_of(record).turns[0].text == "一枚目\n<image>\n<image>"
    assert sample_of({"messages": said([parts[1], parts[1]], "同じ。")}).images == ("b.jpg", "b.jpg")


def test_several_images_inside_a_record_are_taken_out_in_order():
    form = llava_form({"images": [picture(1), "b.jpg", {"bytes": picture(2), "path": "c.png"}], "messages": SAID})
    assert form.contents == (picture(1), None, picture(2))
    assert form.record["images"] == [None, "b.jpg", "c.png"]


def test_two_keys_with_other_images_are_a_finding_and_two_with_the_same_are_not():
    found = normalise({"id": "1", "image": "a.jpg", "file_name": "b.jpg", "messages": SAID}, record_index=0)
    assert (found.check, found.evidence) == (
        "image_keys_differ",
        "image: 'a.jpg', file_name: 'b.jpg'; name all images under one key, in their order",
    )
    assert sample_of({"image": "a.jpg", "images": ["a.jpg"], "messages": SAID}).images == ("a.jpg",)


def test_a_system_turn_stands_behind_all_leading_images():
    system = {"role": "system", "content": "丁寧に。"}
    record = {"images": ["a.jpg", "b.jpg"], "messages": [system, *said("<image>\n<image>\n違いは。", "色。")]}
    assert sample_of(record).turns[0].text == "<image>\n<image>\n丁寧に。\n\n違いは。"


def test_an_image_on_the_web_is_not_looked_for_on_the_disk():
    found = normalise({"id": "1", "image": "https://a/b.jpg", "messages": SAID}, record_index=0)
    assert (found.check, found.evidence) == (
        "image_is_a_url",
        "https://a/b.jpg; fetch it, and give the path of the file",
    )


def test_a_record_of_another_form_says_what_was_seen_and_what_would_be_read():
    found = normalise({"id": "1", "image": "a.jpg", "question_ja": "何。"}, record_index=0)
    assert found.check == "conversation_missing"
    assert found.evidence.startswith("the record has id, image, question_ja; an image is read from image, images")
    assert found.evidence.endswith("question and answer, or caption")


def test_a_record_of_llava_is_returned_as_it_is():
    record = {"id": "1", "image": "a.jpg", "conversations": [{"from": "human", "value": "a"}]}
    assert llava_form(record).record is record
    again = llava_form(llava_form({"bild": "a.jpg", "messages": SAID}).record)
    assert PROBLEM in again.record
