"""Files of answers made elsewhere, joined with the items of a benchmark."""

import json

import pytest

from pipeline.core.errors import DataError
from pipeline.evaluation.answers import Question, Unanswered
from pipeline.evaluation.models import stored
from pipeline.evaluation.models.stored import StoredAnswersUnderTest, read_answers
from pipeline.evaluation.rows import Item
from tests.support.shared_data import shared_data


def item(item_id: str, question: str, reference: str = "犬。") -> Item:
    return Item(benchmark="mine", protocol="first", item_id=item_id, question=question, reference=reference)


EVERYTHING = [item("10", "何ですか。"), item("11", "誰ですか。"), item("12", "何ですか。", "猫。")]
ASKED = [EVERYTHING[0], EVERYTHING[2]]


def read(path, *, asked=ASKED):
    return read_answers(path, items=asked, all_items=EVERYTHING)


def lines(path, *rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_lines_are_joined_by_id_in_any_order_and_failures_stay_failures(tmp_path):
    path = lines(
        tmp_path / "prediction.jsonl",
        {"question_id": "12", "text": "猫"},
        {"question_id": "11", "text": "人"},
        {"question_id": 10, "text": "", "error": "out of memory"},
    )
    answers = read(path)
    assert answers == {"10": Unanswered("out of memory"), "12": "猫"}
    asked = [Question("12", "何ですか。"), Question("10", "何ですか。")]
    assert StoredAnswersUnderTest(answers).answer(asked) == ["猫", Unanswered("out of memory")]


def test_herons_lines_have_more_fields_and_an_empty_text_is_an_answer(tmp_path):
    shared = {"images": "001.jpg", "image_category": "anime", "prompt": "何", "answer_id": "", "model_id": "x"}
    rows = [{**shared, "question_id": number, "metadata": {}, "text": ""} for number in (10, 12)]
    assert read(lines(tmp_path / "heron_bench.jsonl", *rows)) == {"10": "", "12": ""}


def katsube(path, rows):
    question, answer, prediction = zip(*rows, strict=True)
    results = {"question": question, "answer": answer, "prediction": prediction}
    path.write_text(json.dumps({"metrics": {"rougeL": 1.0}, "results": results}), encoding="utf-8")
    return path


ROWS = [("何ですか。", "犬。", "a"), ("誰ですか。", "犬。", "b"), ("何ですか。", "猫。", "c")]


def test_lists_without_ids_must_be_the_benchmark_place_by_place(tmp_path):
    path = katsube(tmp_path / "all.json", ROWS)
    assert read(path) == {"10": "a", "12": "c"}
    assert read(path, asked=EVERYTHING) == {"10": "a", "11": "b", "12": "c"}
    assert read(katsube(tmp_path / "asked.json", [ROWS[0], ROWS[2]])) == {"10": "a", "12": "c"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([ROWS[2], ROWS[1], ROWS[0]], "answer 0 is to '何ですか。' with the reference '猫。', and the benchmark has"),
        (ROWS[:1], "has 1 answers; mine has 3 questions, of which first asks 2"),
    ],
)
def test_other_lists_are_refused(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read(katsube(tmp_path / "x.json", rows))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"question_id": "10", "text": "犬"}], "has no answer to 1 of 2 questions of mine/first: 12"),
        ([{"question_id": name, "text": "犬"} for name in ("10", "12", "99")], "questions that mine does not have: 99"),
        ([{"question_id": "10", "text": "犬"}] * 2, "several answers to question 10"),
        ([{"question_id": "10"}], 'line 1 is not {"question_id": …, "text": "…"}'),
        ([{"question_id": "10", "text": None}], "line 1 is not"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read(lines(tmp_path / "x.jsonl", *rows))


def test_a_line_that_is_no_json_is_named(tmp_path):
    path = lines(tmp_path / "x.jsonl", {"question_id": "10", "text": "犬"})
    path.write_text(path.read_text(encoding="utf-8") + '{"question_id": "1', encoding="utf-8")
    with pytest.raises(DataError, match="line 2 is not JSON"):
        read(path)


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\0"])
def test_a_line_ends_at_its_line_feed_whatever_a_text_holds(tmp_path, separator):
    rows = [{"question_id": name, "text": f"一{separator}二"} for name in ("10", "12")]
    path = lines(tmp_path / "answers.jsonl", *rows)
    assert read(path) == {"10": f"一{separator}二", "12": f"一{separator}二"}


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_byte_order_marks_and_line_ends_of_windows_are_no_part_of_the_answers(tmp_path, line_end):
    row = '{"question_id": "%s", "text": "犬"}'
    path = tmp_path / "answers.jsonl"
    path.write_bytes("".join(f"\ufeff{row % name}{line_end}" for name in ("10", "12")).encode())
    assert read(path) == {"10": "犬", "12": "犬"}


def test_a_byte_order_mark_before_lists_is_no_part_of_them(tmp_path):
    path = katsube(tmp_path / "all.json", ROWS)
    path.write_bytes("\ufeff".encode() + path.read_bytes())
    assert read(path) == {"10": "a", "12": "c"}


@pytest.mark.parametrize("name", ["ls.jsonl", "bom.jsonl"])
def test_files_of_answers_that_failed_once_are_read(name):
    items = [item(f"q{number}", "何ですか。") for number in range(1, 5)]
    assert len(read_answers(shared_data() / "faults" / "eval" / name, items=items, all_items=items)) == 4


def test_json_too_deep_is_named_with_its_line(tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text("[" * 200_000)
    with pytest.raises(DataError, match=r"answers.jsonl, line 1 is not JSON"):
        read(path)


def test_a_file_that_is_too_large_to_be_answers_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "MAX_FILE_BYTES", 1000)
    (tmp_path / "a.jsonl").write_text('"' + "x" * 2000)
    with pytest.raises(DataError, match=r"a\.jsonl has 2\.0 kB; a file of answers has 1\.0 kB at most"):
        stored.read_answers(tmp_path / "a.jsonl", items=[], all_items=[])
