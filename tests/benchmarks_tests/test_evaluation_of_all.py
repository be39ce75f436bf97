"""One evaluation of all benchmarks, with their images and without: answers, scores, and one comparison."""

from dataclasses import replace
from types import MappingProxyType

import pytest

from pipeline.benchmarks import known
from pipeline.comparison.step import compare, leaderboard_tables, score_table
from pipeline.config.experiment import PublishedSource
from pipeline.config.measured import EndpointModel, StoredModel
from pipeline.core.errors import ConfigError
from pipeline.core.settings import Settings
from pipeline.data.prepare import prepare_dataset
from pipeline.evaluation.measure import ModelToMeasure
from pipeline.evaluation.models.parse import benchmarks_of, evaluation_of
from pipeline.evaluation.rows import read_predictions
from pipeline.planning.plan import finished_evaluation, plan_evaluation
from pipeline.planning.steps import Machine, Role
from pipeline.store.artifacts import ArtifactStore
from tests.benchmarks_tests.test_from_the_hub import NEW, prepared  # noqa: F401

MODEL = EndpointModel(kind="endpoint", model="fake")


class LooksAtImages:
    """Says A, or B where it sees an image."""

    max_images = None

    def answer(self, questions):
        return ["B" if question.images else "A" for question in questions]


@pytest.fixture
def any_number(monkeypatch):
    """All benchmarks take another number of items."""

    def loosened(benchmark):
        protocols = {name: replace(protocol, is_exact=False) for name, protocol in benchmark.protocols.items()}
        return replace(benchmark, protocols=protocols)

    found = {name: loosened(benchmark) for name, benchmark in known.KNOWN_BENCHMARKS.items()}
    monkeypatch.setattr(known, "KNOWN_BENCHMARKS", MappingProxyType(found))


def evaluate(names, store_root):
    """Everything but judging, which nobody is there for; why that is left out; and the comparison."""
    config = evaluation_of(
        MODEL, name="fake", benchmarks=benchmarks_of(names, blind=True), generation="greedy-256", batch_size=4
    )
    settings, store = Settings(store=store_root), ArtifactStore(store_root)
    plan = plan_evaluation(config, ModelToMeasure(MODEL, {"kind": "fake"}, lambda *_: LooksAtImages()), settings)
    made, skipped = {}, []
    for step in plan:
        if reason := step.skipped_because(Machine(store=store, settings=settings)):
            skipped.append(reason)
            continue
        made[step.role] = step.make(made, Machine(store=store, settings=settings))
        step.report(made)
        step.gate(made)
    compared = finished_evaluation(
        "fake", config.evaluation, config.limits, find=lambda role: plan.find(role, store), advice="-"
    )
    return made, skipped, compare([compared], store=store)


@pytest.fixture
def evaluated(prepared, any_number):  # noqa: F811
    return evaluate(["cvqa", "jawildtext-board-vqa", "mecha-ja", "mmmlu"], prepared["cvqa"].directory.parents[2])


def test_japanese_stands_for_all_fourteen_and_blind_asks_those_with_images_twice():
    assert len(benchmarks_of(["japanese"])) == 14
    blind = benchmarks_of(["japanese"], blind=True)
    assert len(blind) == 14 + 13
    assert [one["protocol"] for one in blind if one["name"] == "ja-vg-vqa-500" and "protocol" in one] == [
        "first-of-8-blind"
    ]
    evaluation_of(MODEL, name="fake", benchmarks=blind, generation="greedy-256", batch_size=4)


def test_a_protocol_that_all_have_is_asked_of_all_with_its_own_metrics():
    found = benchmarks_of(["japanese"], "eval-mm-9f450a5")
    assert [one["protocol"] for one in found] == ["eval-mm-9f450a5"] * 14
    config = evaluation_of(MODEL, name="fake", benchmarks=found, generation="sakana", batch_size=4)
    assert {one.generation.preset for one in config.evaluation.benchmarks} == {"greedy-256"}
    assert next(one for one in config.evaluation.benchmarks if one.name == "ja-vg-vqa-500").metrics == ("rougeL_nfkc",)


def test_your_own_benchmark_can_be_asked_blind_too():
    found = benchmarks_of(["smoke"], blind=True)
    config = evaluation_of(MODEL, name="fake", benchmarks=found, generation="greedy-256", batch_size=4)
    assert [one.label for one in config.evaluation.benchmarks] == ["shapes-ja", "shapes-ja/all-blind"]


def test_answers_from_files_cannot_be_blind(tmp_path):
    (tmp_path / "a.jsonl").write_text("")
    stored = StoredModel(kind="stored", files={"cvqa": tmp_path / "a.jsonl"})
    with pytest.raises(ConfigError, match="answers from files were made with the images; cvqa/.*-blind asks without"):
        evaluation_of(
            stored, name="x", benchmarks=benchmarks_of(["cvqa"], blind=True), generation="greedy-256", batch_size=4
        )


def test_what_has_no_images_cannot_be_asked_blind():
    with pytest.raises(ConfigError, match="mmmlu has no images, so it cannot be asked without them"):
        evaluation_of(
            MODEL,
            name="fake",
            benchmarks=[{"name": "mmmlu", "protocol": "eval-mm-9f450a5-blind"}],
            generation="greedy-256",
            batch_size=4,
        )


def test_without_its_images_an_item_is_asked_again_and_keeps_its_place(evaluated):
    blind, seen = (
        read_predictions(evaluated[0][Role("predictions", f"cvqa/eval-mm-9f450a5{end}")]) for end in ("-blind", "")
    )
    assert [row.prediction for row in blind] == ["A", "A"]
    assert [row.prediction for row in seen] == ["B", "B"]
    assert [row.image_sha256 for row in blind] == [row.image_sha256 for row in seen]


def test_without_a_judge_judging_is_left_out_with_a_word_and_all_else_is_done(evaluated):
    made, skipped, _ = evaluated
    assert [reason.partition(": no judge")[0] for reason in skipped] == [
        "jawildtext-board-vqa/eval-mm-9f450a5 is not judged",
        "jawildtext-board-vqa/eval-mm-9f450a5-blind is not judged",
    ]
    assert len([role for role in made if role.kind == "predictions"]) == 7


@pytest.mark.long
def test_all_eleven_are_answered_scored_and_compared(prepared, any_number):  # noqa: F811
    made, skipped, comparison = evaluate(NEW, prepared["cvqa"].directory.parents[2])
    assert len([role for role in made if role.kind == "predictions"]) == 11 + 10
    assert sorted(reason.partition("/")[0] for reason in skipped) == [
        name for name in ("ja-multi-image-vqa", "jawildtext-board-vqa", "jdocqa") for _ in range(2)
    ]
    tables = leaderboard_tables(comparison)
    assert list(tables) == [
        "llm-jp-eval-mm, pull request 230, 2026-04-12",
        "llm-jp-eval-mm, leaderboard.md, 2025-08-29",
        "llm-jp-eval-mm, leaderboard.json, 2025-05-18",
    ]
    newest = tables["llm-jp-eval-mm, leaderboard.md, 2025-08-29"]
    assert list(newest[0]) == ["model", "", "cc-ocr", "jic-vqa", "jmmmu", "mecha-ja"]  # cvqa: whose rule is not known


def test_the_comparison_shows_what_was_right_without_looking_behind_the_score(evaluated):
    table = score_table(evaluated[2])
    (cvqa,) = [row for row in table if row["metric"] == "substring-match" and row["group"] == "overall"]
    assert (cvqa["protocol"], cvqa["fake"]) == ("eval-mm-9f450a5", "50.0 [0.0, 100.0]; blind 50.0 [0.0, 100.0]")
    report = evaluated[2].path("report.md").read_text(encoding="utf-8")
    assert "cvqa/eval-mm-9f450a5 has 2 items here; 203 were expected, which is not verified" in report


def test_published_numbers_stand_beside_those_of_the_same_protocol_and_metric_only(evaluated):
    tables = leaderboard_tables(evaluated[2])
    assert {title: list(rows[0]) for title, rows in tables.items()} == {
        "llm-jp-eval-mm, leaderboard.md, 2025-08-29": ["model", "", "mecha-ja"],
        "llm-jp-eval-mm, leaderboard.json, 2025-05-18": ["model", "", "cvqa", "mecha-ja"],
    }
    rows = tables["llm-jp-eval-mm, leaderboard.json, 2025-05-18"]
    assert rows[0] == {
        "model": "stabilityai/japanese-instructblip-alpha",
        "": "published",
        "cvqa": "23.65",
        "mecha-ja": "23.27",
    }
    assert rows[-1] == {
        "model": "fake",
        "": "measured here",
        "cvqa": "50.0 [0.0, 100.0]",
        "mecha-ja": "50.0 [0.0, 100.0]",
    }


def test_a_dataset_is_shared_by_all_protocols(evaluated, prepared):  # noqa: F811
    source = PublishedSource(kind="published", name="mecha-ja")
    store = ArtifactStore(prepared["mecha-ja"].directory.parents[2])
    assert prepare_dataset(source, store=store).fingerprint == evaluated[0][Role("dataset", "mecha-ja")].fingerprint


def test_a_benchmark_that_only_a_judge_can_score_is_compared_without_a_number(prepared, any_number):  # noqa: F811
    _, skipped, comparison = evaluate(["jawildtext-board-vqa"], prepared["cvqa"].directory.parents[2])
    assert len(skipped) == 2
    assert score_table(comparison) == []
    assert "no number" in comparison.path("report.md").read_text(encoding="utf-8")
