import base64

import pytest

from pipeline.data.record_forms import PROBLEM, REMARKS, llava_form
from pipeline.data.samples import Finding, Sample, Turn, normalise
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
    assert form.content.removesuffix(bytes(5000)) == picture(1)
    assert form.record["conversations"][0]["content"] == "<image>\n何ですか。"


def test_several_images_are_one_finding_that_names_them():
    record = {"id": "1", "images": ["a.jpg", "b.jpg"], "messages": SAID}
    found = normalise(record, record_index=0)
    assert (found.check, found.evidence) == ("several_images", "2 images, and a sample has one: ['a.jpg', 'b.jpg']")


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
