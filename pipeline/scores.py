"""Step: predictions to scores. One row per item and metric, and means with 95 % intervals in the summary.

A failed item has no prediction. It is counted and left out of the means; it never scores 0.
"""

import logging
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.bootstrap import mean_interval
from pipeline.config import BenchmarkConfig, MetricName
from pipeline.errors import DataError
from pipeline.manifest import Manifest, Request
from pipeline.parquet import write_rows
from pipeline.prediction_rows import Prediction, read_predictions
from pipeline.progress import Progress
from pipeline.rouge import rouge_l
from pipeline.store import ArtifactStore

log = logging.getLogger(__name__)

VERSION = 1  # raise when the same request should give a different result: also when a metric computes other values

OVERALL = "overall"
"""Stands for all items of a benchmark where a category could stand."""

SCORE_SCHEMA = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("category", pa.string()),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
    ]
)

Metric = Callable[[str, str], float]
"""Reference and prediction to 0..100."""

FINAL_STOPS = re.compile(r"[\s。]+$")


def exact_match(reference: str, prediction: str) -> float:
    """100 when the texts are equal after ``comparable``, else 0."""
    return 100.0 if comparable(reference) == comparable(prediction) else 0.0


def comparable(text: str) -> str:
    """NFKC (full-width Latin letters become ASCII), without surrounding whitespace and without the final 。"""
    return FINAL_STOPS.sub("", unicodedata.normalize("NFKC", text)).strip()


METRICS: Mapping[MetricName, Metric] = {"exact_match": exact_match, "rouge_l": rouge_l}


def score_request(benchmark: BenchmarkConfig, *, predictions_fingerprint: str) -> Request:
    """What ``score_predictions`` is asked to make."""
    return Request(
        step="scores",
        version=VERSION,
        config={"metrics": list(benchmark.metrics)},
        inputs={"predictions": predictions_fingerprint},
    )


def score_predictions(benchmark: BenchmarkConfig, *, predictions: Manifest, store: ArtifactStore) -> Manifest:
    """Write ``scores.parquet``; the summary has the mean of every metric, overall and by category.

    Raises:
        DataError: no item has a prediction, or the predictions are not those of this benchmark.
    """
    request = score_request(benchmark, predictions_fingerprint=predictions.fingerprint)
    return store.produce(request, lambda directory: _score(benchmark, predictions, directory))


def headline_metrics(scores: Manifest) -> dict[str, float]:
    """Means by ``benchmark/metric`` and ``benchmark/metric/category``, for the comparison of runs."""
    benchmark = scores.summary["benchmark"]
    return {
        f"{benchmark}/{row['metric']}" + ("" if row["category"] == OVERALL else f"/{row['category']}"): row["mean"]
        for row in score_rows(scores)
    }


def score_rows(scores: Manifest) -> list[dict[str, Any]]:
    """One row for every metric and category, ``overall`` first: mean, 95 % interval, number of items."""
    return [
        {"metric": metric, "category": category, **interval}
        for metric, means in scores.summary["metrics"].items()
        for category, interval in {OVERALL: means[OVERALL], **means["categories"]}.items()
    ]


def _score(benchmark: BenchmarkConfig, predictions: Manifest, directory: Path) -> dict[str, Any]:
    items = read_predictions(predictions)
    _check(items, benchmark, predictions)
    answered = [item for item in items if item.error is None]
    progress = Progress(f"score {benchmark.name}", total=len(answered), unit="items")
    rows = []
    for item in answered:
        rows += [_row(item, metric) for metric in benchmark.metrics]
        progress.advance()
    progress.finish()
    write_rows(directory / "scores.parquet", rows, schema=SCORE_SCHEMA)
    return {
        "benchmark": benchmark.name,
        "num_items": len(items),
        "num_failed": len(items) - len(answered),
        "metrics": {metric: _means([row for row in rows if row["metric"] == metric]) for metric in benchmark.metrics},
    }


def _check(items: Sequence[Prediction], benchmark: BenchmarkConfig, predictions: Manifest) -> None:
    source = predictions.directory / "predictions.parquet"
    if others := sorted({item.benchmark for item in items} - {benchmark.name}):
        raise DataError(f"{source} answers {others}, not {benchmark.name!r}")
    if len({item.item_id for item in items}) < len(items):
        raise DataError(f"{source}: several predictions have the same item_id; an item must be answered once")
    if OVERALL in {item.category for item in items}:
        raise DataError(f"{source} has a category {OVERALL!r}, the name that the mean of all items has; rename it")
    if all(item.error is not None for item in items):
        example = f"; the first error: {items[0].error}" if items else ""
        raise DataError(f"{source}: none of the {len(items)} items has a prediction that could be scored{example}")


def _row(item: Prediction, metric: MetricName) -> dict[str, Any]:
    assert item.prediction is not None  # no error, so there is one
    return {
        "benchmark": item.benchmark,
        "item_id": item.item_id,
        "category": item.category,
        "metric": metric,
        "value": METRICS[metric](item.reference, item.prediction),
    }


def _means(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means of one metric: of all rows, and of each category by name."""
    by_category: dict[str, list[float]] = {}
    for row in rows:
        if row["category"] is not None:
            by_category.setdefault(row["category"], []).append(row["value"])
    return {
        OVERALL: asdict(mean_interval([row["value"] for row in rows])),
        "categories": {category: asdict(mean_interval(values)) for category, values in sorted(by_category.items())},
    }
