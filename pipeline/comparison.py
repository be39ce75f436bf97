"""Step: some experiments side by side. Tables with intervals, paired differences, a chart, a page of sample answers.

Experiments are compared on the same items only: one benchmark name with different items is refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.bootstrap import paired_difference
from pipeline.charts import Chart, draw, drawable
from pipeline.comparison_report import KEY_COLUMNS, report, wide_table
from pipeline.errors import ConfigError, DataError
from pipeline.images import ImageReader
from pipeline.manifest import Manifest, Request
from pipeline.parquet import write_rows
from pipeline.prediction_rows import Prediction, read_predictions
from pipeline.sample_sheet import SheetAnswer, SheetItem, choose, sample_sheet
from pipeline.scores import OVERALL
from pipeline.store import ArtifactStore, write_text

VERSION = 1  # raise when the same request should give a different result

DECIDING_METRIC = "exact_match"
"""The metric that marks an answer right or wrong on the sample sheet."""

COMPARISON_SCHEMA = pa.schema(
    [
        pa.field("experiment", pa.string(), nullable=False),
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("mean", pa.float64(), nullable=False),
        pa.field("low", pa.float64(), nullable=False),
        pa.field("high", pa.float64(), nullable=False),
        pa.field("num_items", pa.int64(), nullable=False),
    ]
)
DIFFERENCE_SCHEMA = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("experiment_a", pa.string(), nullable=False),
        pa.field("experiment_b", pa.string(), nullable=False),
        pa.field("difference", pa.float64(), nullable=False),
        pa.field("low", pa.float64(), nullable=False),
        pa.field("high", pa.float64(), nullable=False),
        pa.field("p_value", pa.float64(), nullable=False),
        pa.field("num_items", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class ComparedExperiment:
    """One experiment's finished evaluation."""

    name: str
    predictions: tuple[Manifest, ...]
    scores: tuple[Manifest, ...]
    datasets: tuple[Manifest, ...]
    """The benchmarks' datasets, for the images."""


@dataclass(frozen=True, slots=True)
class Answers:
    """One experiment's answers to one benchmark; ``values`` is score by metric and item."""

    experiment: str
    benchmark: str
    items: Mapping[str, Prediction]
    values: Mapping[str, Mapping[str, float]]


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
    if reserved := sorted(set(names) & set(KEY_COLUMNS)):
        raise ConfigError(
            f"an experiment cannot be named {reserved[0]!r}: the table of scores has a column of that name"
        )
    if silent := [experiment.name for experiment in experiments if not experiment.scores]:
        raise ConfigError(f"{silent} have no benchmark scores; add benchmarks under `evaluation` and run them again")
    return Request(
        step="comparison",
        version=VERSION,
        config={"experiments": names},
        inputs={
            f"{experiment.name}/{scores.summary['benchmark']}/scores": scores.fingerprint
            for experiment in experiments
            for scores in experiment.scores
        },
    )


def compare(experiments: Sequence[ComparedExperiment], *, store: ArtifactStore) -> Manifest:
    """Write ``comparison.parquet``, ``differences.parquet``, ``radar.png``, ``samples.html`` and ``report.md``.

    Raises:
        ConfigError: see ``comparison_request``; or the experiments have no benchmark and metric in common.
        DataError: a benchmark's items are not the same in all experiments.
    """
    return store.produce(comparison_request(experiments), lambda directory: _compare(experiments, directory))


def score_table(manifest: Manifest) -> list[dict[str, Any]]:
    """Rows to print: benchmark, metric, category, items, then ``mean [low, high]`` of each experiment."""
    rows = pq.read_table(manifest.path("comparison.parquet")).to_pylist()
    return wide_table(rows, experiments=manifest.request.config["experiments"])


def _compare(experiments: Sequence[ComparedExperiment], directory: Path) -> dict[str, Any]:
    chart = score_chart(experiments)
    answers = [one for experiment in experiments for one in _answers(experiment)]
    _check_same_items(answers)
    scores = [row for experiment in experiments for row in _score_rows(experiment)]
    differences = [row for a, b in combinations(answers, 2) if a.benchmark == b.benchmark for row in _differences(a, b)]
    items = _sheet_items(answers)
    chosen = choose(items)
    images = ImageReader(dataset for experiment in experiments for dataset in experiment.datasets)
    write_rows(directory / "comparison.parquet", scores, schema=COMPARISON_SCHEMA)
    write_rows(directory / "differences.parquet", differences, schema=DIFFERENCE_SCHEMA)
    draw(chart, directory / "radar.png")
    write_text(directory / "samples.html", sample_sheet(chosen, images=images, num_all_items=len(items)))
    failures = [
        (experiment.name, scores.summary["benchmark"], scores.summary["num_failed"])
        for experiment in experiments
        for scores in experiment.scores
    ]
    write_text(directory / "report.md", report(scores, differences, chart=chart, failures=failures))
    return {
        "experiments": [experiment.name for experiment in experiments],
        "benchmarks": list(dict.fromkeys(one.benchmark for one in answers)),
        "num_items": len(items),
        "num_sample_answers": len(chosen),
        "num_differences": len(differences),
    }


def score_chart(experiments: Sequence[ComparedExperiment]) -> Chart:
    """The first metric that all experiments have somewhere in common; one axis per category or undivided benchmark.

    Raises:
        ConfigError: there is no such metric.
    """
    means = [_means(experiment) for experiment in experiments]
    common = [key for key in means[0] if all(key in others for others in means)]
    if not common:
        names = ", ".join(experiment.name for experiment in experiments)
        raise ConfigError(f"{names} have no benchmark and metric in common, so there is nothing to compare")
    metric = common[0][1]
    divided = {key[0] for key in common if key[1] == metric and key[2] != OVERALL}
    keys = [key for key in common if key[1] == metric and (key[2] != OVERALL or key[0] not in divided)]
    benchmarks = list(dict.fromkeys(key[0] for key in keys))
    total = sum(means[0][benchmark, metric, OVERALL]["num_items"] for benchmark in benchmarks)
    where = drawable(benchmarks, what="benchmark")[0] if len(benchmarks) == 1 else f"{len(benchmarks)} benchmarks"
    return Chart(
        title=f"{metric} on {where} (percent, n={total})",
        axes=tuple(_axis(key, means[0][key]["num_items"], several=len(benchmarks) > 1) for key in keys),
        scores={
            experiment.name: tuple(of_one[key]["mean"] for key in keys)
            for experiment, of_one in zip(experiments, means, strict=True)
        },
    )


def _axis(key: tuple[str, str, str], num_items: int, *, several: bool) -> str:
    benchmark, _, category = key
    parts = [benchmark] if several or category == OVERALL else []
    parts += [] if category == OVERALL else [category]
    return "\n".join([*parts, f"n={num_items}"])


def _means(experiment: ComparedExperiment) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    """Mean and interval by benchmark, metric and category, ``overall`` first."""
    return {
        (scores.summary["benchmark"], metric, category): interval
        for scores in experiment.scores
        for metric, means in scores.summary["metrics"].items()
        for category, interval in {OVERALL: means[OVERALL], **means["categories"]}.items()
    }


def _score_rows(experiment: ComparedExperiment) -> list[dict[str, Any]]:
    return [
        {"experiment": experiment.name, "benchmark": benchmark, "metric": metric, "category": category, **interval}
        for (benchmark, metric, category), interval in _means(experiment).items()
    ]


def _answers(experiment: ComparedExperiment) -> Iterable[Answers]:
    by_fingerprint = {predictions.fingerprint: predictions for predictions in experiment.predictions}
    for scores in experiment.scores:
        wanted = scores.request.inputs["predictions"]
        benchmark = scores.summary["benchmark"]
        if wanted not in by_fingerprint:
            raise DataError(
                f"{experiment.name}: the scores of {benchmark} belong to predictions {wanted}, not given here"
            )
        values: dict[str, dict[str, float]] = {metric: {} for metric in scores.summary["metrics"]}
        for row in pq.read_table(scores.path("scores.parquet")).to_pylist():
            values[row["metric"]][row["item_id"]] = row["value"]
        items = {item.item_id: item for item in read_predictions(by_fingerprint[wanted])}
        yield Answers(experiment.name, benchmark, items, values)


def _check_same_items(answers: Sequence[Answers]) -> None:
    first_of: dict[str, Answers] = {}
    for other in answers:
        first = first_of.setdefault(other.benchmark, other)
        asked, asked_first = _asked(other), _asked(first)
        if asked != asked_first:
            example = min(item for item, _ in set(asked.items()) ^ set(asked_first.items()))
            raise DataError(
                f"{other.benchmark}: {first.experiment} and {other.experiment} answered different items, for example "
                f"{example!r}; a benchmark with other items needs another name"
            )


def _asked(answers: Answers) -> dict[str, tuple[str | None, ...]]:
    return {
        name: (item.category, item.question, item.reference, item.image_sha256) for name, item in answers.items.items()
    }


def _differences(a: Answers, b: Answers) -> Iterable[dict[str, Any]]:
    """b minus a, on the items that both answered: of all items, then of each category."""
    for metric in (metric for metric in a.values if metric in b.values):
        both = [name for name in a.items if name in a.values[metric] and name in b.values[metric]]
        if not both:
            continue  # each item failed in one of the two
        groups: dict[str, list[str]] = {}
        for name in both:
            if (category := a.items[name].category) is not None:
                groups.setdefault(category, []).append(name)
        for category, names in ((OVERALL, both), *sorted(groups.items())):
            difference = paired_difference(
                [a.values[metric][name] for name in names], [b.values[metric][name] for name in names]
            )
            yield {
                "benchmark": a.benchmark,
                "metric": metric,
                "category": category,
                "experiment_a": a.experiment,
                "experiment_b": b.experiment,
                **asdict(difference),
            }


def _sheet_items(answers: Sequence[Answers]) -> list[SheetItem]:
    by_benchmark: dict[str, list[Answers]] = {}
    for one in answers:
        by_benchmark.setdefault(one.benchmark, []).append(one)
    return [
        SheetItem(
            benchmark=benchmark,
            item_id=name,
            category=item.category,
            question=item.question,
            reference=item.reference,
            image_sha256=item.image_sha256,
            answers=tuple(_sheet_answer(one, name) for one in everyone),
        )
        for benchmark, everyone in by_benchmark.items()
        for name, item in everyone[0].items.items()
    ]


def _sheet_answer(answers: Answers, name: str) -> SheetAnswer:
    item = answers.items[name]
    scores = {metric: values[name] for metric, values in answers.values.items() if name in values}
    decided = scores.pop(DECIDING_METRIC, None)
    is_right = None if decided is None else decided == 100
    return SheetAnswer(answers.experiment, item.prediction, item.error, is_right, tuple(scores.items()))
