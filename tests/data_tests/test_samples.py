from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.samples import (
    FINDING_SCHEMA,
    Finding,
    Sample,
    Turn,
    exchanges_of,
    normalise,
    sample_table,
)

TURNS = (Turn("user", "何ですか。"), Turn("assistant", "犬です。"))
CONVERSATION = [{"from": "human", "value": "何ですか。"}, {"from": "gpt", "value": "犬です。"}]


def record(**changes: object) -> dict[str, object]:
    return {"id": "a1", "image": "dog.jpg", "conversations": CONVERSATION, **changes}


def rejection(value: object) -> tuple[str, str]:
    finding = normalise(value, record_index=7)
    assert isinstance(finding, Finding)
    assert (finding.severity, finding.record_index) == ("reject", 7)
    return finding.check, finding.evidence


def test_a_record_of_llava_becomes_a_sample():
    assert normalise(record(), record_index=7) == Sample("a1", 7, "local", "dog.jpg", None, TURNS)


@pytest.mark.parametrize(("user", "assistant"), [("human", "gpt"), ("user", "assistant"), ("ユーザー", "システム")])
@pytest.mark.parametrize(("who", "what"), [("from", "value"), ("role", "content")])
def test_roles_have_three_names_and_messages_two_forms(user, assistant, who, what):
    conversation = [{who: user, what: "何ですか。"}, {who: assistant, what: "犬です。"}]
    assert normalise(record(conversations=conversation), record_index=0).turns == TURNS


def test_japanese_beside_the_english_value_is_taken_and_the_english_kept_as_the_original():
    conversation = [
        {"from": "human", "value": "What is it?", "jp": "何ですか。"},
        {"from": "gpt", "value": "A dog.", "jp": "犬です。"},
    ]
    assert normalise(record(conversations=conversation), record_index=0).turns == (
        Turn("user", "何ですか。", "What is it?"),
        Turn("assistant", "犬です。", "A dog."),
    )


def test_an_empty_translation_is_empty_and_not_its_english_original():
    conversation = [{"from": "human", "value": "What is it?", "jp": ""}, CONVERSATION[1]]
    assert normalise(record(conversations=conversation), record_index=0).turns[0] == Turn("user", "", "What is it?")


def test_without_a_translation_the_value_is_taken():
    conversation = [{"from": "human", "value": "何ですか。", "jp": None}, CONVERSATION[1]]
    assert normalise(record(conversations=conversation), record_index=0).turns == TURNS


@pytest.mark.parametrize(
    ("image", "source"),
    [
        ("coco/train2017/000000000009.jpg", "coco"),
        ("./vg/VG_100K_2/1.jpg", "vg"),
        ("ocr_vqa/images/1.jpg", "ocr_vqa"),
        ("00453/004539375.jpg", "llava-pretrain-ja"),
        ("1.jpg", "llava-pretrain-ja"),
        ("/data/1.jpg", "llava-pretrain-ja"),
        ("../1.jpg", "llava-pretrain-ja"),
        (None, "text-only"),
    ],
)
def test_the_source_of_a_sample_is_the_folder_of_its_image(image, source):
    sample = normalise(record(image=image), record_index=0, default_source="llava-pretrain-ja")
    assert sample.source == source


@pytest.mark.parametrize(("image", "path"), [(["dog.jpg"], "dog.jpg"), ([], None), ("", None), (None, None)])
def test_an_image_is_a_path_or_a_list_with_one(image, path):
    assert normalise(record(image=image), record_index=0).image == path


def test_a_record_without_an_image_is_text_only():
    assert normalise({"id": "a1", "conversations": CONVERSATION}, record_index=0).image is None


@pytest.mark.parametrize(
    ("given_id", "sample_id"),
    [("a1", "a1"), (12, "12"), (0, "0"), (None, "record-00000042"), ("", "record-00000042")],
)
def test_a_missing_id_is_the_place_of_the_record(given_id, sample_id):
    assert normalise(record(id=given_id), record_index=42).sample_id == sample_id


@pytest.mark.parametrize(("category", "text"), [("colour", "colour"), (3, "3"), (None, None)])
def test_a_category_is_a_text(category, text):
    assert normalise(record(category=category), record_index=0).category == text


@pytest.mark.parametrize(
    ("value", "check", "evidence"),
    [
        ("text", "record_not_an_object", "a str"),
        (None, "record_not_an_object", "a NoneType"),
        (
            record(
                image=["a.jpg", "b.jpg"], conversations=[{"from": "human", "value": "<image>何。"}, CONVERSATION[1]]
            ),
            "image_tokens_differ",
            "2 images, and 1 <image> in the questions",
        ),
        (record(image=["a.jpg", 5]), "image_not_a_path", "5"),
        (
            record(image=["a.jpg", "https://a/b.jpg"]),
            "image_is_a_url",
            "https://a/b.jpg; fetch it, and give the path of the file",
        ),
        (record(image={"id": 3}), "image_not_a_path", "{'id': 3}"),
        (record(image=[3]), "image_not_a_path", "3"),
        (record(conversations=[]), "conversation_missing", "[]"),
        (record(conversations="text"), "conversation_missing", "'text'"),
        (record(conversations=["text"]), "turn_not_an_object", "'text'"),
        (record(conversations=[{"from": "human"}]), "text_missing", "{'from': 'human'}"),
        (record(conversations=[{"from": "human", "value": 3}]), "text_missing", "{'from': 'human', 'value': 3}"),
        (record(conversations=CONVERSATION[:1]), "answer_missing", "何ですか。"),
        (record(conversations=CONVERSATION[1:]), "roles_do_not_alternate", "['assistant']"),
        (record(conversations=CONVERSATION[:1] * 2), "roles_do_not_alternate", "['user', 'user']"),
    ],
)
def test_what_is_wrong_with_a_record_is_named(value, check, evidence):
    assert rejection(value) == (check, evidence)


def test_an_unknown_role_is_named_with_the_known_ones():
    conversation = [{"from": "bot", "value": "何"}]
    assert rejection(record(conversations=conversation)) == (
        "role_unknown",
        "'bot'; known are human, user, ユーザー, gpt, assistant, model, chatgpt, システム",
    )


def test_an_image_token_needs_an_image():
    conversation = [{"from": "human", "value": "<image>\n何"}, CONVERSATION[1]]
    assert rejection(record(image=None, conversations=conversation)) == ("image_token_without_image", "<image>\n何")
    assert isinstance(normalise(record(conversations=conversation), record_index=0), Sample)


def test_half_of_a_surrogate_pair_is_no_text():
    # json.loads('"\\ud83d"') gives such a half; no file could hold it.
    conversation = [{"from": "human", "value": "\ud83d何"}, CONVERSATION[1]]
    check, evidence = rejection(record(conversations=conversation))
    assert check == "text_not_unicode"
    assert "\\ud83d" in evidence
    assert normalise(record(conversations=conversation), record_index=0).sample_id == "a1"
    assert normalise(record(id="\ud83d"), record_index=0).sample_id is None


def test_evidence_is_cut_to_what_can_be_read():
    check, evidence = rejection(record(conversations=[{"from": "human", "value": "あ" * 1000}]))
    assert (check, len(evidence)) == ("answer_missing", 500)


def test_samples_of_different_lengths_become_rows():
    image = {"from": "human", "value": "<image>\nWhat?", "jp": "<image>\n何。"}
    samples = [
        normalise(record(id="long", conversations=CONVERSATION * 2), record_index=0),
        normalise(record(id="short", conversations=[image, CONVERSATION[1]], category=3), record_index=5),
        normalise({"id": "text", "conversations": CONVERSATION}, record_index=6),
    ]
    table = sample_table([replace(one, image_sha256="ab" if one.image else None) for one in samples])
    question = {"role": "user", "text": "何ですか。", "original": None}
    answer = {"role": "assistant", "text": "犬です。", "original": None}
    translated = {"role": "user", "text": "<image>\n何。", "original": "<image>\nWhat?"}
    assert table.to_pylist() == [
        {
            "sample_id": sample_id,
            "record_index": index,
            "source": source,
            "image": image,
            "image_sha256": sha256,
            "coco_id": None,
            "visual_genome_id": None,
            "category": category,
            "turns": turns,
            "further_images": [],
        }
        for sample_id, index, source, image, sha256, category, turns in [
            ("long", 0, "local", "dog.jpg", "ab", None, [question, answer] * 2),
            ("short", 5, "local", "dog.jpg", "ab", "3", [translated, answer]),
            ("text", 6, "text-only", None, None, None, [question, answer]),
        ]
    ]


def test_stored_turns_are_pairs_again():
    (row,) = sample_table([normalise(record(conversations=CONVERSATION * 2), record_index=0)]).to_pylist()
    turns = row["turns"]
    assert exchanges_of(turns) == [("何ですか。", "犬です。")] * 2


TEXT = st.text(st.characters(), max_size=8)  # halves of surrogate pairs too: JSON can spell them
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
MESSAGE = JSON | st.fixed_dictionaries(
    {}, optional={"from": st.sampled_from(["human", "gpt", "ユーザー", "bot"]), "value": TEXT | JSON, "jp": TEXT | JSON}
)
TALKS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=2).map(
    lambda talks: [
        {"from": role, "value": text} for talk in talks for role, text in zip(("human", "gpt"), talk, strict=True)
    ]
)
RECORD = JSON | st.fixed_dictionaries(
    {},
    optional={
        "id": TEXT | JSON,
        "image": TEXT | st.lists(TEXT, max_size=2) | JSON,
        "category": TEXT | JSON,
        "conversations": st.lists(MESSAGE, max_size=4) | JSON | TALKS,
    },
)


@given(RECORD)
@settings(max_examples=400, deadline=None)
def test_every_record_becomes_one_sample_or_one_finding_that_can_be_stored(value):
    result = normalise(value, record_index=3)
    assert result.record_index == 3
    if isinstance(result, Sample):
        table = sample_table([result])
        assert len(result.turns) % 2 == 0
    else:
        table = pa.Table.from_pylist([result.row()], schema=FINDING_SCHEMA)
    assert table.num_rows == 1


@given(st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), min_size=1, max_size=3))
@settings(deadline=None)
def test_every_conversation_of_texts_is_kept_word_for_word(exchanges):
    conversation = []
    for question, answer in exchanges:
        conversation += [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    sample = normalise(record(conversations=conversation), record_index=0)
    table = sample_table([sample])
    assert exchanges_of(table.to_pylist()[0]["turns"]) == exchanges
