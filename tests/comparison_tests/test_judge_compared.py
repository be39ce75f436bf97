import pytest

from pipeline.comparison.differences import DIFFERENCE_SCHEMA, judged_rows
from pipeline.comparison.judged import compared_scores
from pipeline.comparison.published import article_rows
from pipeline.comparison.scores import COMPARISON_SCHEMA, ComparedExperiment, experiment_rows
from pipeline.comparison.step import comparison_request
from pipeline.config.evaluation import BenchmarkConfig, JudgeConfig
from pipeline.config.experiment import ExperimentConfig, LimitsConfig, load_experiment
from pipeline.core.settings import load_settings
from pipeline.evaluation.judge.differences import judged_differences
from pipeline.evaluation.judge.protocols import judging_for, judging_of
from pipeline.evaluation.judge.step import judge
from pipeline.evaluation.scores import ScoresSummary
from pipeline.planning.plan import plan_experiment
from pipeline.store.artifacts import ArtifactStore
from tests.support.judged_benchmark import (
    BENCHMARK,
    ScriptedJudge,
    answers,
    by_category,
    item_of,
    judged,
    publish_dataset,
    publish_predictions,
)
from tests.support.summaries import summary_with


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path)


def compared(*judgements, limits=None):
    other = tuple(compared_scores(manifest, limits or LimitsConfig()) for manifest in judgements)
    return ComparedExperiment("ours", (), (), (), other_scores=other)


def one_failed(inquiry):
    return "Sorry." if item_of(inquiry) == "3" else by_category(inquiry)


def test_the_judges_numbers_stand_in_the_articles_table_beside_the_published_ones(store):
    rows = experiment_rows(compared(judged(store)[0]))
    assert set(rows[0]) == set(COMPARISON_SCHEMA.names)
    *_, ours = article_rows(rows, experiments=["ours"])
    assert ours["Heron Detail"].startswith("75.0 [")
    assert ours["Heron average_macro"].startswith("68.3 [")
    assert ours["Heron average_pooled"].startswith("62.9 [")


def test_withheld_numbers_are_named_as_such_and_the_official_ones_are_shown(store):
    manifest, _ = judged(store, one_failed)
    experiment = compared(manifest)
    *_, ours = article_rows(experiment_rows(experiment), experiments=["ours"])
    assert ours["Heron Conv"] == "withheld"
    shown = {row["metric"]: row["mean"] for row in experiment_rows(experiment) if not row["is_withheld"]}
    assert shown["official/conv"] == pytest.approx(100 * (41 * 5 - 1) / (41 * 10 - 1))
    assert "conv" not in shown
    assert "1 of 103 judgements failed" in experiment.other_scores[0].note
    allowed = compared(manifest, limits=LimitsConfig(max_judge_failures=1)).other_scores[0]
    assert not allowed.is_withheld
    assert "1 judgements failed and are in no mean" in allowed.note


def test_withheld_numbers_have_no_differences(store):
    first, _ = judged(store)
    second, _ = judged(store, one_failed, model="gpt-4-0125-preview", attempts=1, repeats=2)
    assert list(judged_rows(compared(first), compared(second))) == []


def test_two_judges_never_share_a_column(store):
    rows = experiment_rows(compared(judged(store)[0], judged(store, model="gpt-4o")[0]))
    protocols = {row["protocol"] for row in rows}
    assert len(protocols) == 2
    keys = [tuple(row[name] for name in ("benchmark", "protocol", "metric", "breakdown", "group")) for row in rows]
    assert len(set(keys)) == len(keys)


def test_two_models_before_the_same_judge_have_a_difference_with_its_p_value(store):
    first, _ = judged(store)
    scripted = ScriptedJudge(lambda inquiry: "10 9")
    second = judge(
        judging_of("heron-official", JudgeConfig()),
        benchmark=BENCHMARK,
        dataset=publish_dataset(store),
        predictions=publish_predictions(store, answers("別の"), model="another"),
        judge=scripted,
        store=store,
    )
    rows = {row["metric"]: row for row in judged_differences(first, second)}
    assert rows["average_macro"]["difference"] == pytest.approx(90 - 205 / 3)
    assert rows["conv"]["p_value"] < 0.001
    assert rows["conv"]["num_items"] == 42
    (shown, *_) = judged_rows(compared(first), compared(second))
    assert (shown["experiment_a"], shown["experiment_b"], shown["metric"]) == ("ours", "ours", "conv")
    assert set(shown) == set(DIFFERENCE_SCHEMA.names)
    another_judge, _ = judged(store, model="gpt-4o")
    assert judged_differences(first, another_judge) == []


def with_scores(experiment, scores):
    return ComparedExperiment(experiment.name, (), (scores,), (), other_scores=experiment.other_scores)


def test_a_comparison_is_made_anew_when_a_number_is_no_longer_withheld(store):
    manifest, _ = judged(store, one_failed)
    scores = manifest.model_copy(update={"summary": summary_with(ScoresSummary, benchmark=BENCHMARK).stored()})
    requests = [
        comparison_request([with_scores(compared(manifest, limits=LimitsConfig(max_judge_failures=count)), scores)])
        for count in (0, 1)
    ]
    assert requests[0].inputs["ours/withheld/0"] == requests[1].inputs["ours/other/0"] == manifest.fingerprint
    assert requests[0].fingerprint != requests[1].fingerprint


def experiment_with(*benchmarks, **judge_) -> ExperimentConfig:
    values = load_experiment("smoke").model_dump(mode="json")
    values["evaluation"] |= {"benchmarks": list(benchmarks), "judge": judge_}
    return ExperimentConfig.model_validate(values)


def test_the_plan_of_an_experiment_has_the_judge_after_the_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path))
    plain = {
        str(step.role): step.fingerprint
        for step in plan_experiment(experiment_with({"name": BENCHMARK}), load_settings())
    }
    other = {
        str(step.role): step
        for step in plan_experiment(experiment_with({"name": BENCHMARK}, model="gpt-4o"), load_settings())
    }
    assert list(plain)[-3:] == [f"{step}/{BENCHMARK}/all" for step in ("predictions", "scores", "judgements")]
    changed = [role for role, fingerprint in plain.items() if other[role].fingerprint != fingerprint]
    assert changed == [f"judgements/{BENCHMARK}/all"]
    assert other[changed[0]].request.inputs["predictions"] == plain[f"predictions/{BENCHMARK}/all"]


def test_only_the_published_benchmark_is_judged():
    own = {"kind": "shapes-ja", "content": "questions", "num_images": 2}
    assert judging_for(BenchmarkConfig(name=BENCHMARK), JudgeConfig()) == judging_of("heron-official", JudgeConfig())
    mine = BenchmarkConfig(name="mine", source=own, metrics=["exact_match"])
    assert judging_for(mine, JudgeConfig()) is None


def test_the_protocol_of_a_benchmark_chooses_how_it_is_judged_and_who_judges_by_default():
    def of(name, **values):
        return judging_for(BenchmarkConfig(name=name, protocol="eval-mm-9f450a5"), JudgeConfig(**values))

    heron, graded, boards = (of(name) for name in (BENCHMARK, "ja-vlm-bench-in-the-wild", "jawildtext-board-vqa"))
    assert [one.protocol for one in (heron, graded, boards)] == [
        "heron-bench",
        "llm-as-a-judge",
        "jawildtext-board-vqa",
    ]
    assert (graded.model, graded.sampling) == ("gpt-4o-2024-11-20", {"temperature": 0.0, "max_tokens": 1024, "seed": 0})
    assert boards.sampling == {"temperature": 0.0, "max_tokens": 256, "seed": 0}
    asked_otherwise = of("jawildtext-board-vqa", model="local", max_tokens=4096, temperature=None)
    assert (asked_otherwise.model, asked_otherwise.sampling) == ("local", {"max_tokens": 4096, "seed": 0})
