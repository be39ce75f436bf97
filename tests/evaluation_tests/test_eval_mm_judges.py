"""Judged metrics of llm-jp-eval-mm on its own golden items: what is sent, each score, and the benchmark's numbers."""

import json
from pathlib import Path

import pytest

from pipeline.config.evaluation import JudgeConfig
from pipeline.evaluation.judge.aggregate import judge_scores
from pipeline.evaluation.judge.boxed import boxed_answer
from pipeline.evaluation.judge.parse import parse_reply
from pipeline.evaluation.judge.prompt import JudgePrompt
from pipeline.evaluation.judge.protocols import judging_of, wording_of
from pipeline.evaluation.judge.rows import JudgedBy, JudgedItem, judgement_of, worthless
from tests.support.judged_benchmark import replied

GOLDEN = json.loads((Path(__file__).parent / "eval_mm_judged.json").read_text(encoding="utf-8"))
PROMPTS = {"llm-as-a-judge": "LLM_AS_A_JUDGE", "jawildtext-board-vqa": "BOARD_VQA_JUDGE", "heron-bench": "HERON_JUDGE"}
NEVER_ASKED = "-- never asked --"


def items_of(protocol):
    return GOLDEN["scorers"][protocol]["items"]


def judged(protocol):
    """The rows of all golden items, as the step makes them."""
    wording = wording_of(protocol)
    prompt, by = JudgePrompt(wording, {}), JudgedBy("b", protocol, "judge", "0" * 64, wording.reading)
    rows = []
    for golden in items_of(protocol):
        item = JudgedItem(golden["id"], golden["doc"].get("category"), None, "c", "q", golden.get("ref", "r"))
        if prompt.is_worthless(golden.get("pred", "p")):
            assert golden["judge_reply"] == NEVER_ASKED
            rows.append(worthless(item, by, repeat=0, image_sha256=None))
        else:
            rows.append(judgement_of(item, [replied(golden["judge_reply"])], by, repeat=0, missing=None))
    return rows


def numbers(protocol, rows=None):
    scores = judge_scores(rows or judged(protocol), wording_of(protocol))
    return {(score.variant, score.metric): score.value for score in scores}


@pytest.mark.parametrize("protocol", PROMPTS)
def test_the_wording_is_that_of_the_harness_to_the_letter(protocol):
    wording, name = wording_of(protocol), PROMPTS[protocol]
    prompts = GOLDEN["judge_prompts"]
    assert (wording.system, wording.user) == (prompts[f"{name}_SYSTEM"], prompts[f"{name}_USER"])
    assert "9f450a5" in wording.source


@pytest.mark.parametrize("protocol", GOLDEN["first_judge_request"])
def test_the_first_request_is_the_one_that_the_harness_sends(protocol):
    golden, asked = items_of(protocol)[0], GOLDEN["first_judge_request"][protocol]
    judging = judging_of(protocol, JudgeConfig(model=asked["model_name"]))
    item = JudgedItem("0", None, None, None, golden["doc"]["input_text"], golden["ref"])
    sent = JudgePrompt(wording_of(protocol), {}).messages(item, golden["pred"])
    assert {"messages": list(sent), "model_name": judging.model, **judging.sampling} == asked


def test_the_request_about_heron_bench_has_the_texts_as_they_are():
    item = JudgedItem("0", "conv", None, "{寿司}の写真", "何ですか。", "寿司です。")
    _, user = JudgePrompt(wording_of("heron-bench"), {}).messages(item, "ラーメン{}")
    assert '{\n    "score_gpt": int,\n    "score": int\n}' in user["content"]
    assert '"context": {寿司}の写真,\n' in user["content"]
    assert '"gpt4o_answer": 寿司です。,\n    "model_answer": ラーメン{}\n}' in user["content"]


@pytest.mark.parametrize("protocol", ["llm-as-a-judge", "jawildtext-board-vqa"])
def test_each_score_and_the_mean_are_those_of_the_harness(protocol):
    golden = GOLDEN["scorers"][protocol]
    rows = judged(protocol)
    assert [row.official_model_score for row in rows] == [item["score"] for item in golden["items"]]
    assert len([row for row in rows if row.replies]) == golden["judge_calls"]
    name, scale = ("mean_grade", 1) if protocol == "llm-as-a-judge" else ("accuracy", 100)
    found = numbers(protocol)["official", name]
    assert found == pytest.approx(scale * golden["aggregate"]["overall_score"], abs=1e-9)


def test_each_score_and_all_numbers_of_heron_bench_are_those_of_the_harness():
    golden = GOLDEN["scorers"]["heron-bench"]
    scores = [(row.official_reference_score, row.official_model_score) for row in judged("heron-bench")]
    expected = [(item["score"]["score_gpt"], item["score"]["score"]) for item in golden["items"]]
    assert [(-1, -1) if one == (None, None) else one for one in scores] == expected
    details = dict(golden["aggregate"]["details"])
    assert details.pop("parse_error_count") == sum(row.official_model_score is None for row in judged("heron-bench"))
    official = {metric: value for (variant, metric), value in numbers("heron-bench").items() if variant == "official"}
    assert official == pytest.approx(details, abs=1e-9)


@pytest.mark.parametrize("item", items_of("jawildtext-board-vqa"), ids=lambda item: item["id"])
def test_the_last_whole_box_is_the_answer(item):
    assert boxed_answer(item["pred"]) == item["extracted"]


def test_a_category_of_failures_alone_adds_nothing_to_the_mean_of_ratios():
    rows = [row for row in judged("heron-bench") if row.category == "conv" or row.official_model_score is None]
    found = numbers("heron-bench", rows)
    assert found["official", "detail"] is None
    assert found["official", "overall_rel"] == pytest.approx(100 * 4.5 / 8.5 / 3)


@pytest.mark.parametrize(
    ("reading", "reply", "careful", "of_the_harness"),
    [
        ("grade", "4", ("ok", 4), 4),
        ("grade", "Score: 4/5", ("ok", 4), 4),
        ("grade", "5: Excellent — matches", ("ok", 5), 5),
        ("grade", "0", ("ok", 0), 0),
        ("grade", "4.5", ("ok", 4.5), 4),
        ("grade", "10", ("out_of_range", None), 1),
        ("grade", "On a scale of 1 to 5: 4", ("unreadable", None), 1),
        ("grade", "I cannot rate this.", ("unreadable", None), 0),
        ("grade", "<think>1 or 2?</think>5", ("ok", 5), 1),
        ("verdict", "**Correct:** yes", ("ok", 1), 0),
        ("verdict", "Correct：はい", ("ok", 1), 0),
        ("verdict", "correct: no", ("ok", 0), 0),
        ("verdict", "incorrect: no", ("ok", 1), 0),
        ("verdict", "correct: yes\ncorrect: no", ("unreadable", None), 1),
        ("verdict", "はい、正解です", ("unreadable", None), 0),
        ("verdict", "<think>correct: yes?</think>correct: no", ("ok", 0), 1),
        ("two_keys", '{"score": 6, "score_gpt": 8.9}', ("ok", 6), 6),
        ("two_keys", '{"score": "7.5", "score_gpt": 8}', ("ok", 7.5), None),
        ("two_keys", "8 6", ("unreadable", None), None),
        ("two_keys", '{"score": 60, "score_gpt": 80}', ("out_of_range", None), 60),
    ],
)
def test_what_a_careful_reader_and_the_harness_read_is_kept_apart(reading, reply, careful, of_the_harness):
    parsed = parse_reply(reply, reading)
    assert (parsed.status, parsed.scores and parsed.scores[1]) == careful
    assert (parsed.official and parsed.official[1]) == of_the_harness


def test_a_missing_reply_or_answer_is_no_score_where_the_harness_counts_0():
    rows = judged("llm-as-a-judge")
    item = JudgedItem("x", None, None, None, "q", "r")
    by = JudgedBy("b", "llm-as-a-judge", "judge", "0" * 64, "grade")
    missing = judgement_of(item, [], by, repeat=0, missing="timeout")
    assert missing.official_model_score is None
    assert numbers("llm-as-a-judge", [*rows, missing])["official", "mean_grade"] is None
