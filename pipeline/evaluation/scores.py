"""Step: predictions to scores. One row per item and metric, and means with 95 % intervals in the summary.

A failed item has no prediction. It is counted and left out of the means; it never scores 0. A mean that lacks items is
not the benchmark's number: ``scores_withheld_because`` says so, and whoever shows numbers asks it.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import Field

from pipeline.benchmarks.known import OVERALL, label_of
from pipeline.benchmarks.metrics import MetricName, percent_of
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.core.clusters import image_clusters
from pipeline.core.errors import DataError
from pipeline.core.parquet import write_rows
from pipeline.core.progress import Progress
from pipeline.evaluation.intervals import MeanInterval, mean_interval, statistic_intervals
from pipeline.evaluation.language_gate import HOW_TO_GET_IT, METRIC, LanguageGate
from pipeline.evaluation.rows import Prediction, read_predictions
from pipeline.evaluation.scorers.known import scorers_of
from pipeline.evaluation.scorers.scorer import Answer, Scorer
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest, Request, Summary
from pipeline.store.queries import item_groups
from pipeline.store.sql_files import sql_files

log = logging.getLogger(__name__)

VERSION = 2  # raise when the same request should give a different result: also when a metric computes other values

BREAKDOWNS = ("category", "image_category", "question_type", "answer_length")
"""Columns that part the items of a benchmark into groups. The last two are macros in ``sql/macros/benchmarks``."""
DETAIL = "detail"
"""The breakdown of a scorer's own numbers: of a subject, of pooled counts, of a field."""

SCORE_SCHEMA = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("protocol", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("category", pa.string()),
        pa.field("image_category", pa.string()),
        pa.field("question_type", pa.string(), nullable=False),
        pa.field("answer_length", pa.string(), nullable=False),
        pa.field("image_sha256", pa.string()),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
    ]
)

CLUSTER = "cluster"
"""Beside the columns of a row while intervals are made: what is drawn together."""

Means = dict[str, dict[str, MeanInterval]]
"""By breakdown and group; the benchmark's number under ``OVERALL`` twice. All in percent of the metric's range."""


class ScoresSummary(Summary):
    """The numbers of every metric over the items of a benchmark that have an answer."""

    benchmark: str
    protocol: str
    num_items: int
    num_failed: int
    metrics: dict[str, Means]
    not_computed: tuple[str, ...]
    counts: dict[str, dict[str, int]] = Field(default_factory=dict)
    """By metric and name: answers that its scorer counts, such as those that it could not read."""

    @property
    def label(self) -> str:
        return label_of(self.benchmark, self.protocol)


def score_request(benchmark: BenchmarkConfig, gate: LanguageGate | None, *, predictions_fingerprint: str) -> Request:
    """What ``score_predictions`` is asked to make: with the language gate if it is there, else without."""
    config: dict[str, Any] = {
        "metrics": list(benchmark.metrics),
        "groups": {name: macro.sha256 for name, macro in sql_files("macros/benchmarks").items()},
    }
    if METRIC in benchmark.metrics:
        config["language_model"] = None if gate is None else gate.sha256
    return Request(step="scores", version=VERSION, config=config, inputs={"predictions": predictions_fingerprint})


def score_predictions(
    benchmark: BenchmarkConfig, *, predictions: Manifest, store: ArtifactStore, gate: LanguageGate | None = None
) -> Manifest:
    """Write ``scores.parquet``; the summary has the mean of every metric, overall and by group.

    Without the ``gate`` ``rougeL_ja`` is not computed.

    Raises:
        DataError: there is no item, or the predictions are not those of this benchmark.
    """
    request = score_request(benchmark, gate, predictions_fingerprint=predictions.fingerprint)
    return store.produce(request, lambda directory: _score(benchmark, gate, predictions, directory))


def scores_withheld_because(scores: Manifest, *, max_failed_items: int) -> str | None:
    """Why the means of a benchmark are not to be shown as its numbers; None when they are."""
    summary = ScoresSummary.of(scores)
    num_failed = summary.num_failed
    if num_failed == summary.num_items:
        return f"{summary.label}: none of the {num_failed} items has an answer; `llava-jp query failed_items` says why"
    if num_failed <= max_failed_items:
        return None
    return (
        f"{summary.label}: {num_failed} of {summary.num_items} items have no answer, so its "
        "numbers are withheld. `llava-jp query failed_items` says why; "
        f"limits.max_failed_items={num_failed} shows the means over the others"
    )


def headline_metrics(scores: Manifest) -> dict[str, float]:
    """Numbers by ``benchmark/protocol/metric``, of a group ``.../breakdown/group``; counts by their own names."""
    summary = ScoresSummary.of(scores)
    benchmark = f"{summary.benchmark}/{summary.protocol}"
    counts = {
        f"{benchmark}/{metric}/{name}": float(number)
        for metric, counted in summary.counts.items()
        for name, number in counted.items()
    }
    return {
        f"{benchmark}/{row['metric']}"
        + ("" if row["group"] == OVERALL else f"/{row['breakdown']}/{row['group']}"): row["mean"]
        for row in score_rows(scores)
    } | counts


def score_rows(scores: Manifest) -> list[dict[str, Any]]:
    """One row for every metric and group, ``overall`` first: mean, 95 % interval, number of items."""
    return [
        {"metric": metric, "breakdown": breakdown, "group": group, **asdict(interval)}
        for metric, means in ScoresSummary.of(scores).metrics.items()
        for breakdown, groups in means.items()
        for group, interval in groups.items()
    ]


def _score(
    benchmark: BenchmarkConfig, gate: LanguageGate | None, predictions: Manifest, directory: Path
) -> ScoresSummary:
    items = read_predictions(predictions)
    _check(items, benchmark, predictions)
    scorers = scorers_of(benchmark.metrics, gate)
    not_computed = [name for name in benchmark.metrics if name not in scorers]
    if not_computed:
        log.warning(
            "%s: %s is not computed, its language model is not there. %s", benchmark.label, METRIC, HOW_TO_GET_IT
        )
    answered = [item for item in items if item.error is None]
    scored = dict(_scored(answered, scorers, name=benchmark.label)) if answered else {}
    rows = _rows(answered, {metric: one.percents for metric, one in scored.items()})
    write_rows(directory / "scores.parquet", rows, schema=SCORE_SCHEMA)
    return ScoresSummary(
        benchmark=benchmark.name,
        protocol=benchmark.protocol,
        num_items=len(items),
        num_failed=sum(item.error is not None for item in items),
        metrics={
            metric: _means([row for row in rows if row["metric"] == metric], one.details, scorers[metric].headline)
            for metric, one in scored.items()
        },
        not_computed=tuple(not_computed),
        counts={metric: dict(one.counts) for metric, one in scored.items() if one.counts},
    )


def _check(items: Sequence[Prediction], benchmark: BenchmarkConfig, predictions: Manifest) -> None:
    source = predictions.directory / "predictions.parquet"
    wanted = f"{benchmark.name}/{benchmark.protocol}"
    if others := sorted({f"{item.benchmark}/{item.protocol}" for item in items} - {wanted}):
        raise DataError(f"{source} answers {others}, not {wanted!r}")
    if len({item.item_id for item in items}) < len(items):
        raise DataError(f"{source}: several predictions have the same item_id; an item must be answered once")
    if OVERALL in {item.category for item in items}:
        raise DataError(f"{source} has a category {OVERALL!r}, the name that the mean of all items has; rename it")
    if not items:
        raise DataError(f"{source} has no item, so there is nothing to score")


@dataclass(frozen=True, slots=True)
class _Scored:
    """One metric over all answers, in their order."""

    percents: Sequence[float]
    details: Mapping[str, MeanInterval]
    counts: Mapping[str, int]


def _scored(
    items: Sequence[Prediction], scorers: Mapping[MetricName, Scorer], *, name: str
) -> Iterator[tuple[MetricName, _Scored]]:
    answers = [answer_of(item) for item in items]
    progress = Progress(f"score {name}", total=len(items) * len(scorers), unit="scores")
    for metric, scorer in scorers.items():
        values = scorer.scores(answers)
        statistics = {
            detail: one for detail, one in scorer.statistics(answers, values).items() if one.counted.any()
        }  # a group without items has no number
        details = statistic_intervals(statistics, clusters=image_clusters([item.images_sha256 for item in items]))
        percents = {detail: in_percent(metric, interval) for detail, interval in details.items()}
        yield metric, _Scored([percent_of(metric, value) for value in values], percents, scorer.counts(answers))
        progress.advance(len(items))
    progress.finish()


def answer_of(item: Prediction) -> Answer:
    """An answered item as scorers take it."""
    assert item.prediction is not None  # no error, so there is one
    scoring = {} if item.scoring is None else json.loads(item.scoring)
    return Answer(item.item_id, item.reference, item.prediction, scoring)


def in_percent(metric: MetricName, interval: MeanInterval) -> MeanInterval:
    """The interval of a scorer's values as it is stored."""
    mean, low, high = (percent_of(metric, value) for value in (interval.mean, interval.low, interval.high))
    return replace(interval, mean=mean, low=low, high=high)


def _rows(items: Sequence[Prediction], values: Mapping[MetricName, Sequence[float]]) -> list[dict[str, Any]]:
    """Rows of ``SCORE_SCHEMA``."""
    if not items:
        return []
    groups = item_groups([item.question for item in items], [item.reference for item in items])
    clusters = image_clusters([item.images_sha256 for item in items])
    rows = []
    for index, (item, (question_type, answer_length)) in enumerate(zip(items, groups, strict=True)):
        own = {"question_type": question_type, "answer_length": answer_length}
        shared = {key: own.get(key, getattr(item, key, None)) for key in SCORE_SCHEMA.names}
        shared[CLUSTER] = clusters[index]
        rows += [{**shared, "metric": metric, "value": each[index]} for metric, each in values.items()]
    return rows


def _means(rows: Sequence[Mapping[str, Any]], details: Mapping[str, MeanInterval], headline: str | None) -> Means:
    """Numbers of one metric by breakdown and group: the benchmark's own first."""
    means = {OVERALL: {OVERALL: _interval(rows) if headline is None else details[headline]}}
    for breakdown in BREAKDOWNS:
        groups: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            if row[breakdown] is not None:
                groups.setdefault(row[breakdown], []).append(row)
        if groups:
            means[breakdown] = {group: _interval(members) for group, members in sorted(groups.items())}
    return means | ({DETAIL: dict(details)} if details else {})


def _interval(rows: Sequence[Mapping[str, Any]]) -> MeanInterval:
    """Questions on one image are drawn together."""
    return mean_interval([row["value"] for row in rows], clusters=[row[CLUSTER] for row in rows])
