"""Step: some experiments side by side. Tables with intervals, paired differences, a chart, a page of sample answers.

Experiments are compared on the same items only: one benchmark name with different items is refused.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.benchmarks.known import OVERALL, is_blind
from pipeline.benchmarks.metrics import METRICS
from pipeline.comparison.charts import draw
from pipeline.comparison.differences import DIFFERENCE_SCHEMA, Answers, answers_of, differences_of, judged_rows
from pipeline.comparison.notes import experiment_notes
from pipeline.comparison.published import article_rows, leaderboard_rows, leaderboards
from pipeline.comparison.report import KEY_COLUMNS, difference_rows, power_rows, report, wide_table
from pipeline.comparison.sample_sheet import SHEET_SCHEMA, SheetAnswer, SheetItem, choose, sample_sheet, sheet_rows
from pipeline.comparison.scores import COMPARISON_SCHEMA, ComparedExperiment, experiment_rows, score_chart
from pipeline.core.errors import ConfigError, DataError
from pipeline.core.files import write_text
from pipeline.core.parquet import write_rows
from pipeline.data.image_reader import ImageReader
from pipeline.evaluation.scores import ScoresSummary
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest, Request, Summary

VERSION = 3  # raise when the same request should give a different result

DECIDING_METRICS = [name for name, metric in METRICS.items() if metric.is_binary]
"""The first of them that a benchmark has marks answers right or wrong on the sample sheet."""
CHART = "radar.png"


class ComparisonSummary(Summary):
    """What was compared on what."""

    experiments: tuple[str, ...]
    benchmarks: tuple[str, ...]
    num_items: int
    num_sample_answers: int
    num_differences: int


def comparison_request(experiments: Sequence[ComparedExperiment]) -> Request:
    """What ``compare`` is asked to make.

    Raises:
        ConfigError: there is no experiment, a name occurs twice, or an experiment has no scores.
    """
    names = [experiment.name for experiment in experiments]
    if not names:
        raise ConfigError("there is no experiment to compare; name at least one")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"experiments to compare need different names; named more than once: {repeated}")
    if reserved := sorted(set(names) & {*KEY_COLUMNS, *SHEET_SCHEMA.names}):
        raise ConfigError(f"an experiment cannot be named {reserved[0]!r}: a table has a column of that name")
    if silent := [experiment.name for experiment in experiments if not experiment.scores]:
        raise ConfigError(f"{silent} have no benchmark scores; add benchmarks under `evaluation` and run them again")
    return Request(
        step="comparison",
        version=VERSION,
        config={"experiments": names, "max_failed_items": [one.max_failed_items for one in experiments]},
        inputs=dict(_inputs(experiments)),
    )


def _inputs(experiments: Sequence[ComparedExperiment]) -> Iterable[tuple[str, str]]:
    for experiment in experiments:
        for scores in experiment.scores:
            summary = ScoresSummary.of(scores)
            yield f"{experiment.name}/{summary.benchmark}/{summary.protocol}/scores", scores.fingerprint
        for number, other in enumerate(experiment.other_scores):
            kind = "withheld" if other.is_withheld else "other"
            yield f"{experiment.name}/{kind}/{number}", other.source.fingerprint


def compare(experiments: Sequence[ComparedExperiment], *, store: ArtifactStore) -> Manifest:
    """Write ``comparison.parquet``, ``differences.parquet``, ``samples.parquet``, ``samples.html`` and ``report.md``.

    Also ``radar.png``, unless all numbers are withheld.

    Raises:
        ConfigError: see ``comparison_request``; or the experiments have no benchmark and metric in common.
        DataError: a benchmark's items are not the same in all experiments.
    """
    return store.produce(comparison_request(experiments), lambda directory: _compare(experiments, directory))


def score_table(manifest: Manifest) -> list[dict[str, Any]]:
    """Rows to print: benchmark, protocol, metric, group, items, then ``mean [low, high]`` of each experiment."""
    return wide_table(_rows(manifest, "comparison"), experiments=manifest.request.config["experiments"])


def difference_table(manifest: Manifest) -> list[dict[str, Any]]:
    """Rows to print: A, B, B minus A with its interval, p."""
    return difference_rows(_rows(manifest, "differences"))


def power_table(manifest: Manifest) -> list[dict[str, Any]]:
    """Rows to print before the scores: A, B, and the smallest difference that the items could show."""
    return power_rows(_rows(manifest, "differences"))


def comparison_metrics(manifest: Manifest) -> dict[str, float]:
    """Difference, p and the detectable difference of whole benchmarks, by ``benchmark/protocol/metric/A to B``."""
    metrics = {}
    for row in _rows(manifest, "differences"):
        if row["breakdown"] == OVERALL:
            names = (
                row["benchmark"],
                row["protocol"],
                row["metric"],
                f"{row['experiment_a']} to {row['experiment_b']}",
            )
            for column in ("difference", "p_value", "detectable"):
                if row.get(column) is not None:
                    metrics["/".join((*names, column))] = row[column]
    return metrics


def article_table(manifest: Manifest) -> list[dict[str, str]]:
    """The article's table with the experiments below the published rows; empty where they share no column."""
    return article_rows(_rows(manifest, "comparison"), experiments=manifest.request.config["experiments"])


def leaderboard_tables(manifest: Manifest) -> dict[str, list[dict[str, str]]]:
    """By title, each published table in whose columns something was measured."""
    scores, experiments = _rows(manifest, "comparison"), manifest.request.config["experiments"]
    tables = {
        f"{table.title}, {table.date}": leaderboard_rows(table, scores, experiments=experiments)
        for table in leaderboards()
    }
    return {title: rows for title, rows in tables.items() if rows}


def has_chart(manifest: Manifest) -> bool:
    """Whether there was a number to draw."""
    return CHART in {file.path for file in manifest.files}


def _rows(manifest: Manifest, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(manifest.path(f"{name}.parquet")).to_pylist()
    return rows


def _compare(experiments: Sequence[ComparedExperiment], directory: Path) -> ComparisonSummary:
    names = [experiment.name for experiment in experiments]
    scores = [row for experiment in experiments for row in experiment_rows(experiment)]
    chart = score_chart(scores, experiments=names)
    answers = [one for experiment in experiments for one in answers_of(experiment)]
    _check_same_items(answers)
    differences = [row for a, b in combinations(answers, 2) if a.label == b.label for row in differences_of(a, b)]
    differences += [row for a, b in combinations(experiments, 2) for row in judged_rows(a, b)]
    items = _sheet_items([one for one in answers if not is_blind(one.protocol)] or answers)
    chosen = choose(items)
    images = ImageReader(dataset for experiment in experiments for dataset in experiment.datasets)
    write_rows(directory / "comparison.parquet", scores, schema=COMPARISON_SCHEMA)
    write_rows(directory / "differences.parquet", differences, schema=DIFFERENCE_SCHEMA)
    if chart is not None:
        draw(chart, directory / CHART)
    write_rows(directory / "samples.parquet", sheet_rows(chosen, images=images), schema=SHEET_SCHEMA)
    write_text(directory / "samples.html", sample_sheet(chosen, images=images, num_all_items=len(items)))
    notes = [note for experiment in experiments for note in experiment_notes(experiment)]
    write_text(directory / "report.md", report(scores, differences, experiments=names, chart=chart, notes=notes))
    return ComparisonSummary(
        experiments=tuple(names),
        benchmarks=tuple(dict.fromkeys(one.label for one in answers)),
        num_items=len(items),
        num_sample_answers=len(chosen),
        num_differences=len(differences),
    )


def _check_same_items(answers: Sequence[Answers]) -> None:
    first_of: dict[str, Answers] = {}
    for other in answers:
        first = first_of.setdefault(other.label, other)
        asked, asked_first = _asked(other), _asked(first)
        if asked != asked_first:
            example = min(item for item, _ in set(asked.items()) ^ set(asked_first.items()))
            raise DataError(
                f"{other.label}: {first.experiment} and {other.experiment} answered different items, for example "
                f"{example!r}; a benchmark with other items needs another name"
            )


def _asked(answers: Answers) -> dict[str, tuple[str | None, ...]]:
    return {
        name: (item.category, item.question, item.reference, *item.images_sha256)
        for name, item in answers.items.items()
    }


def _sheet_items(answers: Sequence[Answers]) -> list[SheetItem]:
    by_benchmark: dict[str, list[Answers]] = {}
    for one in answers:
        by_benchmark.setdefault(one.label, []).append(one)
    return [
        SheetItem(
            benchmark=label,
            item_id=name,
            category=item.category or everyone[0].groups[name]["question_type"],
            question=item.question,
            reference=item.reference,
            images_sha256=item.images_sha256,
            answers=tuple(_sheet_answer(one, name) for one in everyone),
        )
        for label, everyone in by_benchmark.items()
        for name, item in everyone[0].items.items()
    ]


def _sheet_answer(answers: Answers, name: str) -> SheetAnswer:
    item = answers.items[name]
    scores = {metric: values[name] for metric, values in answers.values.items() if name in values}
    decided = next((scores.pop(name) for name in DECIDING_METRICS if name in scores), None)
    is_right = None if decided is None else decided == 100
    return SheetAnswer(answers.experiment, item.prediction, item.error, is_right, tuple(scores.items()))
