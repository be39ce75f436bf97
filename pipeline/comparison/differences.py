"""Paired differences of two experiments: of every metric and group, of scorers' own numbers, of a judge's."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.benchmarks.known import OVERALL, label_of
from pipeline.benchmarks.metrics import MetricName, percent_of, value_of
from pipeline.comparison.scores import ComparedExperiment
from pipeline.core.clusters import image_clusters
from pipeline.core.errors import DataError
from pipeline.evaluation.intervals import Clusters, PairedDifference, paired_difference, statistic_differences
from pipeline.evaluation.judge.differences import judged_differences
from pipeline.evaluation.rows import Prediction, read_predictions
from pipeline.evaluation.scorers.known import SCORERS
from pipeline.evaluation.scorers.scorer import Statistics
from pipeline.evaluation.scores import BREAKDOWNS, DETAIL, ScoresSummary, answer_of
from pipeline.store.queries import item_groups

DIFFERENCE_SCHEMA = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("protocol", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("breakdown", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("experiment_a", pa.string(), nullable=False),
        pa.field("experiment_b", pa.string(), nullable=False),
        pa.field("difference", pa.float64(), nullable=False),
        pa.field("low", pa.float64(), nullable=False),
        pa.field("high", pa.float64(), nullable=False),
        pa.field("p_value", pa.float64(), nullable=False),
        pa.field("num_items", pa.int64(), nullable=False),
        pa.field("num_clusters", pa.int64(), nullable=False),
        pa.field("detectable", pa.float64()),
    ]
)
"""``detectable`` is the smallest difference that the items could have shown; null where none could be. Older files lack
it."""


Answered = Sequence[tuple[Prediction, float]]
"""Items that both systems answered, in one order, with what one of them scored, in percent."""


@dataclass(frozen=True, slots=True)
class Answers:
    """One experiment's answers to one benchmark; ``values`` is score by metric and item, ``groups`` by item."""

    experiment: str
    benchmark: str
    protocol: str
    items: Mapping[str, Prediction]
    groups: Mapping[str, Mapping[str, str | None]]
    values: Mapping[str, Mapping[str, float]]

    @property
    def label(self) -> str:
        return label_of(self.benchmark, self.protocol)


def answers_of(experiment: ComparedExperiment) -> Iterable[Answers]:
    by_fingerprint = {predictions.fingerprint: predictions for predictions in experiment.predictions}
    for scores in experiment.scores:
        wanted = scores.request.inputs["predictions"]
        summary = ScoresSummary.of(scores)
        if wanted not in by_fingerprint:
            raise DataError(
                f"{experiment.name}: the scores of {summary.label} belong to predictions {wanted}, not given here"
            )
        values: dict[str, dict[str, float]] = {metric: {} for metric in summary.metrics}
        for row in pq.read_table(scores.path("scores.parquet"), columns=["metric", "item_id", "value"]).to_pylist():
            values[row["metric"]][row["item_id"]] = row["value"]
        items = {item.item_id: item for item in read_predictions(by_fingerprint[wanted])}
        yield Answers(experiment.name, summary.benchmark, summary.protocol, items, _groups(items), values)


def _groups(items: Mapping[str, Prediction]) -> dict[str, dict[str, str | None]]:
    """The group of each item in every breakdown."""
    found = item_groups([item.question for item in items.values()], [item.reference for item in items.values()])
    return {
        name: dict(zip(BREAKDOWNS, (item.category, item.image_category, *both), strict=True))
        for (name, item), both in zip(items.items(), found, strict=True)
    }


def differences_of(a: Answers, b: Answers) -> Iterable[dict[str, Any]]:
    """b minus a, on the items that both answered: rows of ``DIFFERENCE_SCHEMA``, of all items first."""
    clusters = dict(zip(a.items, image_clusters([item.images_sha256 for item in a.items.values()]), strict=True))
    for metric in (metric for metric in a.values if metric in b.values):
        both = [name for name in a.items if name in a.values[metric] and name in b.values[metric]]
        if not both:
            continue  # each item failed in one of the two
        differences = {
            place: paired_difference(
                [a.values[metric][name] for name in names],
                [b.values[metric][name] for name in names],
                clusters=[clusters[name] for name in names],
            )
            for place, names in _groups_of(a, both).items()
        }
        of_a, of_b = ([(one.items[name], one.values[metric][name]) for name in both] for one in (a, b))
        differences |= _detail_differences(metric, of_a, of_b, clusters=[clusters[name] for name in both])
        names = {"benchmark": a.benchmark, "protocol": a.protocol, "metric": metric}
        experiments = {"experiment_a": a.experiment, "experiment_b": b.experiment}
        for (breakdown, group), difference in differences.items():
            yield {**names, "breakdown": breakdown, "group": group, **experiments, **asdict(difference)}


def _groups_of(answers: Answers, names: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """The items of each group by breakdown and group: all of them first."""
    groups: dict[tuple[str, str], list[str]] = {(OVERALL, OVERALL): list(names)}
    for breakdown in BREAKDOWNS:
        parts: dict[str, list[str]] = {}
        for name in names:
            if (group := answers.groups[name][breakdown]) is not None:
                parts.setdefault(group, []).append(name)
        groups |= {(breakdown, group): members for group, members in sorted(parts.items())}
    return groups


def judged_rows(a: ComparedExperiment, b: ComparedExperiment) -> Iterable[dict[str, Any]]:
    """b minus a before the same judge, of the numbers that both show."""
    for one, other in product(a.other_scores, b.other_scores):
        if not one.is_withheld and not other.is_withheld:
            for row in judged_differences(one.source, other.source):
                yield {**row, "experiment_a": a.name, "experiment_b": b.name}


def _detail_differences(
    metric: str, a: Answered, b: Answered, *, clusters: Clusters
) -> dict[tuple[str, str], PairedDifference]:
    """b minus a in percent by breakdown and group: the details, and the benchmark's number where it is one of them."""
    name = cast(MetricName, metric)
    scorer = SCORERS.get(name)
    of_a, of_b = _statistics(name, a), _statistics(name, b)
    if scorer is None or not of_a:
        return {}
    differences = {
        detail: _in_percent(name, difference)
        for detail, difference in statistic_differences(of_a, of_b, clusters=clusters).items()
    }
    found = {(DETAIL, detail): difference for detail, difference in differences.items()}
    return found if scorer.headline is None else {(OVERALL, OVERALL): differences[scorer.headline], **found}


def _statistics(metric: MetricName, answered: Answered) -> Statistics:
    scorer = SCORERS.get(metric)
    values = [value_of(metric, percent) for _, percent in answered]
    if scorer is None:
        return {}
    found = scorer.statistics([answer_of(item) for item, _ in answered], values)
    return {detail: statistic for detail, statistic in found.items() if statistic.counted.any()}


def _in_percent(metric: MetricName, found: PairedDifference) -> PairedDifference:
    return replace(
        found,
        difference=percent_of(metric, found.difference),
        low=percent_of(metric, found.low),
        high=percent_of(metric, found.high),
        detectable=None if found.detectable is None else percent_of(metric, found.detectable),
    )
