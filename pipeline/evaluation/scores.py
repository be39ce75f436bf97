"""Step: predictions to scores. One row per item and metric, and means with 95 % intervals in the summary.

A failed item has no prediction. It is counted and left out of the means; it never scores 0. A mean that lacks items is
not the benchmark's number: ``scores_withheld_because`` says so, and whoever shows numbers asks it.
"""

import logging
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.benchmarks.benchmark import MetricName
from pipeline.benchmarks.known import OVERALL, label_of
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.core.errors import DataError
from pipeline.core.parquet import write_rows
from pipeline.core.progress import Progress
from pipeline.evaluation.intervals import MeanInterval, mean_interval
from pipeline.evaluation.language_gate import HOW_TO_GET_IT, METRIC, LanguageGate
from pipeline.evaluation.rouge import rouge_l
from pipeline.evaluation.rows import Prediction, read_predictions
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest, Request, Summary
from pipeline.store.queries import item_groups
from pipeline.store.sql_files import sql_files

log = logging.getLogger(__name__)

VERSION = 2  # raise when the same request should give a different result: also when a metric computes other values

BREAKDOWNS = ("category", "image_category", "question_type", "answer_length")
"""Columns that part the items of a benchmark into groups. The last two are macros in ``sql/macros/benchmarks``."""

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

Means = dict[str, dict[str, MeanInterval]]
"""By breakdown and group; of all items under ``OVERALL`` twice."""


class ScoresSummary(Summary):
    """The means of every metric over the items of a benchmark that have an answer."""

    benchmark: str
    protocol: str
    num_items: int
    num_failed: int
    metrics: dict[str, Means]
    not_computed: tuple[str, ...]

    @property
    def label(self) -> str:
        return label_of(self.benchmark, self.protocol)


Metric = Callable[[str, str], float]
"""Reference and prediction to 0..100."""

FINAL_STOPS = re.compile(r"[\s。]+$")


def exact_match(reference: str, prediction: str) -> float:
    """100 when the texts are equal after ``comparable``, else 0."""
    return 100.0 if comparable(reference) == comparable(prediction) else 0.0


def comparable(text: str) -> str:
    """NFKC (full-width Latin letters become ASCII), without surrounding whitespace and without the final 。"""
    return FINAL_STOPS.sub("", unicodedata.normalize("NFKC", text)).strip()


def rouge_l_nfkc(reference: str, prediction: str) -> float:
    """ROUGE-L with NFKC in place of neologdn."""
    return rouge_l(reference, prediction, normaliser="nfkc")


def metric_functions(metrics: Sequence[MetricName], gate: LanguageGate | None) -> dict[MetricName, Metric]:
    """The metrics that can be computed: without a gate all but ``rougeL_ja``."""
    known: dict[MetricName, Metric] = {"exact_match": exact_match, "rougeL": rouge_l, "rougeL_nfkc": rouge_l_nfkc}
    if gate is not None:
        known["rougeL_ja"] = lambda reference, prediction: rouge_l(reference, gate.passed(reference, prediction))
    return {name: known[name] for name in metrics if name in known}


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
        DataError: no item has a prediction, or the predictions are not those of this benchmark.
    """
    request = score_request(benchmark, gate, predictions_fingerprint=predictions.fingerprint)
    return store.produce(request, lambda directory: _score(benchmark, gate, predictions, directory))


def scores_withheld_because(scores: Manifest, *, max_failed_items: int) -> str | None:
    """Why the means of a benchmark are not to be shown as its numbers; None when they are."""
    summary = ScoresSummary.of(scores)
    num_failed = summary.num_failed
    if num_failed <= max_failed_items:
        return None
    return (
        f"{summary.label}: {num_failed} of {summary.num_items} items have no answer, so its "
        "numbers are withheld. `llava-jp query failed_items` says why; "
        f"limits.max_failed_items={num_failed} shows the means over the others"
    )


def headline_metrics(scores: Manifest) -> dict[str, float]:
    """Means by ``benchmark/protocol/metric`` and, for a group, ``.../breakdown/group``, for the comparison of runs."""
    summary = ScoresSummary.of(scores)
    benchmark = f"{summary.benchmark}/{summary.protocol}"
    return {
        f"{benchmark}/{row['metric']}"
        + ("" if row["group"] == OVERALL else f"/{row['breakdown']}/{row['group']}"): row["mean"]
        for row in score_rows(scores)
    }


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
    metrics = metric_functions(benchmark.metrics, gate)
    not_computed = [name for name in benchmark.metrics if name not in metrics]
    if not_computed:
        log.warning(
            "%s: %s is not computed, its language model is not there. %s", benchmark.label, METRIC, HOW_TO_GET_IT
        )
    rows = _rows([item for item in items if item.error is None], metrics, name=benchmark.label)
    write_rows(directory / "scores.parquet", rows, schema=SCORE_SCHEMA)
    return ScoresSummary(
        benchmark=benchmark.name,
        protocol=benchmark.protocol,
        num_items=len(items),
        num_failed=sum(item.error is not None for item in items),
        metrics={metric: _means([row for row in rows if row["metric"] == metric]) for metric in metrics},
        not_computed=tuple(not_computed),
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
    if all(item.error is not None for item in items):
        example = f"; the first error: {items[0].error}" if items else ""
        raise DataError(f"{source}: none of the {len(items)} items has a prediction that could be scored{example}")


def _rows(items: Sequence[Prediction], metrics: Mapping[MetricName, Metric], *, name: str) -> list[dict[str, Any]]:
    """Rows of ``SCORE_SCHEMA``."""
    groups = item_groups([item.question for item in items], [item.reference for item in items])
    progress = Progress(f"score {name}", total=len(items), unit="items")
    rows = []
    for item, (question_type, answer_length) in zip(items, groups, strict=True):
        own = {"question_type": question_type, "answer_length": answer_length}
        shared = {key: own.get(key, getattr(item, key, None)) for key in SCORE_SCHEMA.names}
        for metric, function in metrics.items():
            assert item.prediction is not None  # no error, so there is one
            rows.append({**shared, "metric": metric, "value": function(item.reference, item.prediction)})
        progress.advance()
    progress.finish()
    return rows


def _means(rows: Sequence[Mapping[str, Any]]) -> Means:
    """Means of one metric by breakdown and group: of all rows first."""
    means = {OVERALL: {OVERALL: _interval(rows)}}
    for breakdown in BREAKDOWNS:
        groups: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            if row[breakdown] is not None:
                groups.setdefault(row[breakdown], []).append(row)
        if groups:
            means[breakdown] = {group: _interval(members) for group, members in sorted(groups.items())}
    return means


def _interval(rows: Sequence[Mapping[str, Any]]) -> MeanInterval:
    """Questions on one image are drawn together."""
    return mean_interval([row["value"] for row in rows], clusters=[row["image_sha256"] for row in rows])
