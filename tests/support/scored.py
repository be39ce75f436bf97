"""The numbers of a scorer over some answers: what the step of scores computes with intervals, here without."""

from collections.abc import Sequence

from pipeline.evaluation.scorers.scorer import Answer, Scorer


def aggregate(scorer: Scorer, answers: Sequence[Answer]) -> tuple[float, dict[str, float]]:
    """The benchmark's number and its details by name, on the scorer's own scale; 0 over no answers."""
    values = scorer.scores(answers)
    mean = sum(values) / len(values) if values else 0.0
    details = {name: statistic.value for name, statistic in scorer.statistics(answers, values).items()}
    details |= scorer.counts(answers)
    return mean if scorer.headline is None else details[scorer.headline], details
