"""Differences of a scorer's own numbers, which are no plain means: of subjects, pooled counts, means of means."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from pipeline.benchmarks.known import OVERALL
from pipeline.benchmarks.metrics import MetricName, percent_of, value_of
from pipeline.evaluation.intervals import Clusters, PairedDifference, statistic_differences
from pipeline.evaluation.rows import Prediction
from pipeline.evaluation.scorers.known import SCORERS
from pipeline.evaluation.scorers.scorer import Statistics
from pipeline.evaluation.scores import DETAIL, answer_of

Answered = Sequence[tuple[Prediction, float]]
"""Items that both systems answered, in one order, with what one of them scored, in percent."""


def detail_differences(
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


def _in_percent(metric: MetricName, difference: PairedDifference) -> PairedDifference:
    changed: Mapping[str, float] = {
        name: percent_of(metric, value)
        for name in ("difference", "low", "high", "detectable")
        if (value := getattr(difference, name)) is not None
    }
    return replace(difference, **changed)
