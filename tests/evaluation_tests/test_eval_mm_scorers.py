"""llm-jp-eval-mm's numbers to the last digit; what it returns for these inputs is in ``eval_mm_golden.json``."""

import json
from pathlib import Path

import pytest

from pipeline.core.errors import DataError
from pipeline.evaluation.scorers.handwriting_ocr import edit_distance
from pipeline.evaluation.scorers.known import SCORERS
from pipeline.evaluation.scorers.scorer import Answer
from tests.support.scored import aggregate

GOLDEN = json.loads((Path(__file__).parent / "eval_mm_golden.json").read_text(encoding="utf-8"))
SCORES = {
    "jdocqa": ("jdocqa", "score", "aggregate"),
    "jmmmu": ("jmmmu", "score", "aggregate"),
    "jmmmu-in-sequence": ("jmmmu", "score_in_sequence", "aggregate_in_sequence"),
    "jic-vqa": ("jic-vqa", "score", "aggregate"),
    "mecha-ja": ("mecha-ja", "score", "aggregate"),
    "cc-ocr": ("cc-ocr", "score", "aggregate"),
    "substring-match": ("substring-match", "score", "aggregate"),
    "substring-match-case-sensitive": (
        "substring-match",
        "score_before_2025_08_29",
        "aggregate_before_2025_08_29",
    ),
    "exact-match": ("exact-match", "score", "aggregate"),
    "rougeL": ("rougel", "score_neologdn", "aggregate_neologdn"),
    "rougeL_nfkc": ("rougel", "score_nfkc", "aggregate_nfkc"),
    "jawildtext-handwriting-ocr": ("jawildtext-handwriting-ocr", "score", "aggregate"),
    "jawildtext-receipt-kie": ("jawildtext-receipt-kie", "score", "aggregate"),
}
"""Metric: the scorer in the file, where its items have their score, where its aggregate is."""
MEAN_NAMES = {
    "jdocqa": "overall",
    "mecha-ja": "overall",
    "cc-ocr": "mean_sample_f1",
    "substring-match": "substring_match",
    "substring-match-case-sensitive": "substring_match",
    "exact-match": "exact_match",
    "rougeL": "rougel",
    "rougeL_nfkc": "rougel",
    "jawildtext-handwriting-ocr": "cer_similarity",
    "jawildtext-receipt-kie": "f1",
}
"""What the harness calls the mean of the items among the details."""
GOLD_RECEIPT = GOLDEN["scorers"]["jawildtext-receipt-kie"]["items"][0]["ref"]


def answer(item) -> Answer:
    doc = item.get("doc", {})
    return Answer(doc.get("id") or doc.get("question_id") or item["id"], item["ref"], item["pred"], doc)


def answers_of(scorer: str) -> list[Answer]:
    return [answer(item) for item in GOLDEN["scorers"][scorer]["items"]]


def numbers_of(metric: str, answers: list[Answer]) -> tuple[float, dict[str, float]]:
    """The number and its details under the harness's names."""
    number, details = aggregate(SCORERS[metric], answers)
    return number, {**({MEAN_NAMES[metric]: number} if metric in MEAN_NAMES else {}), **details}


def flat(details) -> dict[str, float]:
    """Numbers by name; those of a rotation stand under ``rot_0/overall`` with us."""
    numbers = {}
    for name, value in details.items():
        if name == "metric_config":
            continue  # how it computes, no number
        numbers |= {f"{name}/{part}": one for part, one in value.items()} if isinstance(value, dict) else {name: value}
    return numbers


@pytest.mark.parametrize("metric", SCORES)
def test_every_item_has_eval_mms_score(metric):
    scorer, field, _ = SCORES[metric]
    scores = [item[field] for item in GOLDEN["scorers"][scorer]["items"]]
    expected = [score["f1"] if isinstance(score, dict) else score for score in scores]
    assert SCORERS[metric].scores(answers_of(scorer)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", SCORES)
def test_the_benchmarks_number_and_its_details_are_eval_mms(metric):
    scorer, _, field = SCORES[metric]
    expected = GOLDEN["scorers"][scorer][field]
    number, details = numbers_of(metric, answers_of(scorer))
    assert number == pytest.approx(expected["overall_score"], abs=1e-9)
    assert details == pytest.approx({**details, **flat(expected.get("details", {}))}, abs=1e-9)


def test_precision_recall_and_fields_of_every_receipt_are_eval_mms():
    for item in GOLDEN["scorers"]["jawildtext-receipt-kie"]["items"]:
        _, details = numbers_of("jawildtext-receipt-kie", [answer(item)])
        expected = {
            **item["score"],
            **item["score"]["field_accuracy"],
            "parse_error_count": int(item["score"]["parse_error"]),
        }
        del expected["field_accuracy"], expected["parse_error"]
        assert details == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    "case",
    [case for case in GOLDEN["edge_errors"]["cases"] if case["input"].get("aggregate of") == []],
    ids=lambda case: case["scorer"],
)
def test_nothing_scored_is_what_eval_mm_makes_of_it_and_0_where_it_stops(case):
    metric = {"rougel": "rougeL_nfkc"}.get(case["scorer"], case["scorer"])
    returned = case.get("returns") or 0.0
    expected = returned if isinstance(returned, dict) else {"overall_score": returned, "details": {}}
    number, details = numbers_of(metric, [])
    assert number == expected["overall_score"]
    assert details == {**details, **expected["details"]}


@pytest.mark.parametrize(
    "prediction",
    ["```json\n[1, 2]\n```", '{"line_items": 5}', "```json\n3\n```", '{"line_items": true}', '{"a": ' + "[" * 99999],
)
def test_a_receipt_that_stops_eval_mm_is_unreadable_scores_0_and_is_counted(prediction):
    number, details = numbers_of("jawildtext-receipt-kie", [Answer("1", GOLD_RECEIPT, prediction)])
    assert (number, details["parse_error_count"], details["field_date"]) == (0.0, 1, 0.0)


def test_an_answer_type_that_jdocqa_does_not_have_is_an_error_of_the_data():
    with pytest.raises(DataError, match="answer type 4 is none of JDocQA's"):
        SCORERS["jdocqa"].score("a", "a", {"answer_type": 4})


@pytest.mark.parametrize(
    ("metric", "item", "message"),
    [
        ("jdocqa", Answer("7", "a", "a"), "item '7' cannot be scored: the answer type None is none"),
        (
            "jmmmu",
            Answer("7", "a", "a", {"question_type": "multiple-choice"}),
            "item '7' cannot be scored: .* no options",
        ),
        ("jawildtext-receipt-kie", Answer("7", "牛乳", "{}"), "item '7' cannot be scored: its reference is not JSON"),
        ("receipt_fields", Answer("7", "[1]", "{}"), "item '7' cannot be scored: its reference is no JSON object"),
    ],
)
def test_an_item_that_lacks_what_its_scorer_needs_is_named(metric, item, message):
    with pytest.raises(DataError, match=message):
        SCORERS[metric].scores([item])


def test_an_id_without_a_subject_is_an_error_of_the_data():
    scoring = {"question_type": "open", "options": "[]"}
    with pytest.raises(DataError, match="'Design1' names no subject"):
        numbers_of("jmmmu", [Answer("Design1", "a", "a", scoring)])


def rotated(number: int, rotation: int, reference: str, prediction: str) -> Answer:
    scoring = {"answer_type": 0, "background_text": "", "options": ["東京", "大阪", "京都", "福岡"]}
    return Answer(f"{number}_rot{rotation}", reference, prediction, scoring)


def test_rotations_say_how_many_questions_are_always_right_and_answered_alike():
    always_right = [rotated(1, rotation, letter, letter) for rotation, letter in enumerate("ADCB")]
    always_the_same_wrong_option = [
        rotated(2, rotation, right, wrong) for rotation, (right, wrong) in enumerate(["AB", "DA", "CD", "BC"])
    ]
    always_the_letter_a = [rotated(3, rotation, letter, "A") for rotation, letter in enumerate("ADCB")]
    all_letters = [rotated(4, rotation, letter, "ABCD") for rotation, letter in enumerate("ADCB")]
    answers = [*always_right, *always_the_same_wrong_option, *always_the_letter_a, *all_letters]
    number, details = numbers_of("mecha-ja", answers)
    assert (number, details["strict_accuracy"], details["consistency"]) == (9 / 16, 2 / 4, 2 / 4)
    number, details = numbers_of("choice_match", answers)
    assert (number, details["strict_accuracy"], details["consistency"]) == (5 / 16, 1 / 4, 2 / 4)


def test_a_question_that_lacks_a_rotation_is_in_no_consistency():
    answers = [rotated(1, rotation, letter, letter) for rotation, letter in enumerate("ADC")]
    answers += [rotated(2, rotation, letter, letter) for rotation, letter in enumerate("ADCB")]
    _, details = numbers_of("mecha-ja", answers)
    assert (details["strict_accuracy"], details["consistency"]) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        ("", "", 0),
        ("花", "", 1),
        ("", "花", 1),
        ("kitten", "sitting", 3),
        ("あいう", "いう", 1),
        ("a" * 99, "b" * 80, 99),
    ],
)
def test_edits_between_texts(a, b, distance):
    assert edit_distance(a, b) == distance
