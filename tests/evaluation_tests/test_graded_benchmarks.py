"""The judge step under the protocols that grade answers or say yes or no: no context, any category, empty answers."""

import json

import pyarrow as pa
import pytest

from pipeline.config.evaluation import JudgeConfig
from pipeline.config.experiment import LimitsConfig
from pipeline.core.parquet import write_rows
from pipeline.evaluation.judge.differences import judged_differences
from pipeline.evaluation.judge.headline import (
    JudgementsSummary,
    judge_metrics,
    judgements_withheld_because,
    read_judge_scores,
)
from pipeline.evaluation.judge.protocols import judging_of
from pipeline.evaluation.judge.rows import read_judgements
from pipeline.evaluation.judge.step import judge, needs_no_judge
from pipeline.evaluation.rows import PREDICTION_SCHEMA, Prediction
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Request
from tests.support.judged_benchmark import ScriptedJudge, replied

BENCHMARK = "ja-multi-image-vqa"
ITEM_SCHEMA = pa.schema(
    [
        (name, pa.string())
        for name in ("item_id", "category", "image_category", "context", "question", "reference", "scoring")
    ]
)
CATEGORIES = ["色", None, "数", "色", "数", "a/b"]


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path)


def dataset(store):
    rows = [
        {
            **dict.fromkeys(ITEM_SCHEMA.names),
            "item_id": str(index),
            "category": category,
            "question": f"違いは{index}。",
            "reference": f"参照{index}",
            "scoring": json.dumps({"judge_question": f"<image> <image> 違いは{index}。"}) if index else None,
        }
        for index, category in enumerate(CATEGORIES)
    ]

    def work(directory):
        write_rows(directory / "items.parquet", rows, schema=ITEM_SCHEMA)
        return {}

    return store.produce(Request(step="dataset", version=1, config={}), work)


def predictions(store, answers):
    rows = [
        Prediction(
            BENCHMARK,
            str(index),
            None,
            "",
            "",
            answer,
            f"photo{index // 2}",
            None if answer is not None else "out of memory",
        ).row()
        for index, answer in enumerate(answers)
    ]

    def work(directory):
        write_rows(directory / "predictions.parquet", rows, schema=PREDICTION_SCHEMA)
        return {}

    return store.produce(Request(step="predictions", version=1, config={"answers": list(answers)}), work)


def judged(store, answers, script, *, protocol="llm-as-a-judge", max_failures=0, **config):
    scripted = ScriptedJudge(script)
    manifest = judge(
        judging_of(protocol, JudgeConfig(**config)),
        benchmark=BENCHMARK,
        dataset=dataset(store),
        predictions=predictions(store, answers),
        judge=scripted,
        store=store,
        max_failures=max_failures,
    )
    return manifest, scripted


def numbers(manifest):
    return {(row["variant"], row["metric"]): row["value"] for row in read_judge_scores(manifest)}


def test_an_empty_answer_scores_0_unseen_and_the_judge_reads_the_question_in_its_own_form(store):
    manifest, scripted = judged(store, ["赤", "", "三", "青", "四", " "], lambda _: "4")
    asked = [inquiry.messages[1]["content"] for inquiry in scripted.asked]
    assert len(asked) == 5
    assert any("Question: 違いは0。\nAnswer: 参照0\nPrediction: 赤\n" in text for text in asked)
    assert any("Question: <image> <image> 違いは3。\nAnswer: 参照3\nPrediction: 青\n" in text for text in asked)
    row = read_judgements(manifest)[1]
    assert (row.status, row.model_score, row.reference_score, row.replies) == ("ok", 0.0, None, ())
    assert (row.image_sha256, manifest.summary["num_failed"]) == ("photo0", 0)
    found = numbers(manifest)
    assert found["clean", "mean_grade"] == found["official", "mean_grade"] == pytest.approx(20 / 6)
    assert {name: value for (variant, name), value in found.items() if name.startswith("category/")} == {
        "category/a/b": 4.0,
        "category/数": 4.0,
        "category/色": 4.0,
    }
    overall = next(row for row in read_judge_scores(manifest) if row["metric"] == "mean_grade")
    assert (overall["num_items"], overall["num_clusters"]) == (6, 3)


def test_a_grade_that_cannot_be_read_withholds_the_number_where_the_harness_has_a_0(store):
    script = lambda inquiry: "わかりません" if "参照2" in inquiry.messages[1]["content"] else "5"  # noqa: E731
    manifest, scripted = judged(store, list("赤青三四五六"), script)
    assert len(scripted.asked) == 5 + 3
    assert "1 of 6 judgements failed (1 unreadable)" in judgements_withheld_because(manifest, LimitsConfig())
    label = manifest.summary["label"]
    assert label.startswith("llm-as-a-judge.gpt-4o-2024-11-20.")
    metrics = judge_metrics(manifest, LimitsConfig())
    assert f"{BENCHMARK}/{label}/mean_grade" not in metrics
    assert metrics[f"{BENCHMARK}/{label}/official/mean_grade"] == pytest.approx(25 / 6)
    shown = judge_metrics(manifest, LimitsConfig(max_judge_failures=1))
    assert shown[f"{BENCHMARK}/{label}/mean_grade"] == 5


def test_a_failed_item_and_a_refusal_are_no_scores_in_any_variant(store):
    script = lambda inquiry: replied(None, refusal="no") if "参照2" in inquiry.messages[1]["content"] else "5"  # noqa: E731
    manifest, _ = judged(store, ["赤", None, *"三四五六"], script)
    assert manifest.summary["failures"] == {"refused": 1, "no_answer": 1}
    assert numbers(manifest)["official", "mean_grade"] is None


def test_a_verdict_is_about_the_last_box_and_the_number_is_percent(store):
    def script(inquiry):
        text = inquiry.messages[1]["content"]
        return "correct: yes" if "[モデルの回答]: 参照" in text else "correct: no"

    answers = ["\\boxed{x} \\boxed{参照0}", "参照1", "\\boxed{ }", "違う", "\\boxed{参照4", "\\boxed{参照{5}}"]
    manifest, scripted = judged(store, answers, script, protocol="jawildtext-board-vqa")
    assert len(scripted.asked) == 5
    assert {inquiry.sampling["max_tokens"] for inquiry in scripted.asked} == {256}
    scores = [row.model_score for row in read_judgements(manifest)]
    assert scores == [1, 1, 0, 0, 0, 1]
    assert numbers(manifest)["clean", "accuracy"] == 50


def test_two_graded_models_are_compared_image_by_image(store):
    first, _ = judged(store, list("赤青三四五六"), lambda _: "2")
    second, _ = judged(store, list("金銀一二七八"), lambda _: "4")
    (overall, *_) = judged_differences(first, second)
    assert (overall["metric"], overall["difference"], overall["num_items"], overall["num_clusters"]) == (
        "mean_grade",
        2.0,
        6,
        3,
    )
    assert (overall["p_value"], overall["detectable"]) == (0.25, None)


def test_without_any_answer_nobody_is_asked_and_the_numbers_are_withheld(store):
    manifest, judge = judged(store, [None] * 6, lambda _: "5")
    assert JudgementsSummary.of(manifest).failures == {"no_answer": 6}
    assert judge.asked == []
    assert "6 of 6 judgements failed (6 no_answer)" in judgements_withheld_because(manifest, LimitsConfig())


def test_a_judge_is_needed_only_where_a_reply_is_missing(store):
    answers = ["赤", "", "三", None, "四", "五"]
    judging = judging_of("llm-as-a-judge", JudgeConfig(attempts=2))
    made = {"dataset": dataset(store), "predictions": predictions(store, answers), "store": store}
    assert not needs_no_judge(judging, **made)
    assert not needs_no_judge(judging, dataset=None, predictions=None, store=store)
    script = lambda inquiry: "?" if "参照2" in inquiry.messages[1]["content"] else "5"  # noqa: E731
    manifest, scripted = judged(store, answers, script, attempts=2)
    assert len(scripted.asked) == 3 + 2
    assert needs_no_judge(judging, **made)
    store.discard(manifest)
    again = judge(judging, benchmark=BENCHMARK, **made, judge=None)
    assert [row.model_score for row in read_judgements(again)] == [5, 0, None, None, 5, 5]
    assert not needs_no_judge(judging_of("llm-as-a-judge", JudgeConfig(attempts=3)), **made)
