"""The numbers of some experiments as rows of one form, and the chart of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.benchmarks.known import OVERALL, is_blind, label_of
from pipeline.benchmarks.metrics import PERCENT, largest_shown
from pipeline.comparison.charts import Chart, drawable
from pipeline.comparison.published import PUBLISHED, Column, Row, published_table
from pipeline.core.errors import ConfigError
from pipeline.evaluation.scores import ScoresSummary, score_rows, scores_withheld_because
from pipeline.store.manifest import Manifest

FEWEST_ARTICLE_AXES = 3
"""Columns of the article's table that make its radar chart."""

COMPARISON_SCHEMA = pa.schema(
    [
        pa.field("experiment", pa.string(), nullable=False),
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("protocol", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("breakdown", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("mean", pa.float64()),
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
        pa.field("num_items", pa.int64(), nullable=False),
        pa.field("num_clusters", pa.int64()),
        pa.field("is_withheld", pa.bool_(), nullable=False),
    ]
)
"""``num_clusters`` are the images or other units that were drawn for the interval."""

MOST_DIVIDED = 2
"""Benchmarks whose categories are axes of their own; of more than these, each is one axis."""
OFFICIAL = "official/"
"""Begins the names of a judge's numbers as its published script computes them."""

Key = tuple[str, str, str, str, str]
"""Benchmark, protocol, metric, breakdown, group."""


@dataclass(frozen=True, slots=True)
class OtherScores:
    """Numbers that are no means over items, such as a judge's ratios, from the artifact ``source``.

    ``rows`` have the columns of ``COMPARISON_SCHEMA`` without the experiment.
    """

    source: Manifest
    rows: tuple[Mapping[str, Any], ...]
    note: str
    """What a reader of the numbers must know."""

    @property
    def is_withheld(self) -> bool:
        return any(row["is_withheld"] for row in self.rows)


@dataclass(frozen=True, slots=True)
class ComparedExperiment:
    """One experiment's finished evaluation."""

    name: str
    predictions: tuple[Manifest, ...]
    scores: tuple[Manifest, ...]
    datasets: tuple[Manifest, ...]
    """The benchmarks' datasets, for the images."""
    max_failed_items: int = 0
    """Items of a benchmark without an answer before its numbers are withheld."""
    other_scores: tuple[OtherScores, ...] = ()


def experiment_rows(experiment: ComparedExperiment) -> list[dict[str, Any]]:
    """All numbers of an experiment as rows of ``COMPARISON_SCHEMA``. A withheld number is not in them."""
    rows = []
    for scores in experiment.scores:
        is_withheld = scores_withheld_because(scores, max_failed_items=experiment.max_failed_items) is not None
        names = ScoresSummary.of(scores).model_dump(include={"benchmark", "protocol"})
        rows += [{**names, **row, "is_withheld": is_withheld} for row in score_rows(scores)]
    rows += [dict(row) for other in experiment.other_scores for row in other.rows]
    hidden = {"mean": None, "low": None, "high": None}
    return [{"experiment": experiment.name, **row, **(hidden if row["is_withheld"] else {})} for row in rows]


def score_chart(rows: Sequence[Row], *, experiments: Sequence[str]) -> Chart | None:
    """The article's radar where its benchmarks alone were measured, else a chart of each benchmark's number.

    Only numbers that all experiments have; None where all of these are withheld, or no rule gives any.

    Raises:
        ConfigError: the experiments have no benchmark and metric in common.
    """
    numbers: dict[str, dict[Key, Row]] = {name: {} for name in experiments}
    for row in rows:
        if not is_blind(row["protocol"]):
            numbers[row["experiment"]][_key(row)] = row
    first, *others = numbers.values()
    common = [key for key in first if all(key in other for other in others)]
    if not common and others:
        raise ConfigError(
            f"{', '.join(experiments)} have no benchmark and metric in common, so there is nothing to compare"
        )
    shown = [key for key in common if not any(one[key]["is_withheld"] for one in numbers.values())]
    columns = [(column, key) for column in published_table().columns for key in shown if _is_axis(column, key, first)]
    in_article = {column.benchmark for column in published_table().columns}
    if len(columns) >= FEWEST_ARTICLE_AXES and {key[0] for key in shown} <= in_article:
        return _article_chart(columns, numbers)
    if len({key[0] for key in shown}) > MOST_DIVIDED:
        return _benchmark_chart(shown, numbers)
    return _plain_chart(shown, numbers) if shown else None


def _key(row: Row) -> Key:
    return row["benchmark"], row["protocol"], row["metric"], row["breakdown"], row["group"]


def _is_axis(column: Column, key: Key, rows: Mapping[Key, Row]) -> bool:
    return not column.is_average and column.has(rows[key])


def _article_chart(columns: Sequence[tuple[Column, Key]], numbers: Mapping[str, Mapping[Key, Row]]) -> Chart:
    places = [published_table().columns.index(column) for column, _ in columns]
    published = {
        f"{model.name} ({PUBLISHED})": tuple(value for place in places if (value := model.values[place]) is not None)
        for model in published_table().models
        if model.is_in_chart
    }
    lines = {name: tuple(one[key]["mean"] for _, key in columns) for name, one in numbers.items()}
    return Chart(
        title="The article's benchmarks (percent)",
        axes=tuple(column.title for column, _ in columns),
        scores={**lines, **{name: values for name, values in published.items() if len(values) == len(columns)}},
    )


def _benchmark_chart(keys: Sequence[Key], numbers: Mapping[str, Mapping[Key, Row]]) -> Chart:
    """One axis for each benchmark: the judge's number where there is one, else that of the first metric."""
    first = next(iter(numbers.values()))
    axes: dict[str, Key] = {}
    several = {name for name in dict.fromkeys(key[0] for key in keys) if len(_protocols(name, keys)) > 1}
    for key in keys:
        benchmark, protocol, metric, breakdown, _ = key
        if breakdown != OVERALL or metric.startswith(OFFICIAL):
            continue
        place = f"{benchmark}\n{protocol}" if benchmark in several and not _is_judged(protocol) else benchmark
        if place not in axes or (_is_judged(protocol) and not _is_judged(axes[place][1])):
            axes[place] = key
    return Chart(
        title=f"{len({key[0] for key in axes.values()})} benchmarks (percent of what can be reached)",
        axes=tuple(_benchmark_axis(label, key, first[key]["num_items"]) for label, key in axes.items()),
        scores={name: tuple(_percent(one[key]) for key in axes.values()) for name, one in numbers.items()},
    )


def _benchmark_axis(label: str, key: Key, num_items: int) -> str:
    metric = [] if key[2] == key[0] else [key[2]]
    return "\n".join([label, *metric, f"n={num_items}"])


def _protocols(benchmark: str, keys: Sequence[Key]) -> set[str]:
    return {key[1] for key in keys if key[0] == benchmark and not _is_judged(key[1])}


def _is_judged(protocol: str) -> bool:
    """A judge's label has its model in it."""
    return "." in protocol


def _percent(row: Row) -> float:
    return float(row["mean"]) * PERCENT / largest_shown(row["metric"])


def _plain_chart(keys: Sequence[Key], numbers: Mapping[str, Mapping[Key, Row]]) -> Chart:
    first = next(iter(numbers.values()))
    metric_of: dict[tuple[str, str], str] = {}
    for benchmark, protocol, metric, *_ in keys:
        metric_of.setdefault((benchmark, protocol), metric)
    chosen = [key for key in keys if key[2] == metric_of[key[:2]] and key[3] in (OVERALL, "category")]
    divided = {key[:2] for key in chosen if key[3] == "category"}
    axes = [key for key in chosen if key[3] == "category" or key[:2] not in divided]
    total = sum(first[(*one, metric, OVERALL, OVERALL)]["num_items"] for one, metric in metric_of.items())
    metrics = list(dict.fromkeys(metric_of.values()))
    labels = [label_of(*one) for one in metric_of]
    where = drawable(labels, what="benchmark")[0] if len(labels) == 1 else f"{len(labels)} benchmarks"
    return Chart(
        title=f"{metrics[0] if len(metrics) == 1 else 'scores'} on {where} (percent, n={total})",
        axes=tuple(_axis(key, first[key]["num_items"], several=len(labels) > 1) for key in axes),
        scores={name: tuple(_percent(one[key]) for key in axes) for name, one in numbers.items()},
    )


def _axis(key: Key, num_items: int, *, several: bool) -> str:
    benchmark, protocol, _, breakdown, group = key
    parts = [label_of(benchmark, protocol)] if several or breakdown == OVERALL else []
    parts += [] if breakdown == OVERALL else [group]
    return "\n".join([*parts, f"n={num_items}"])
