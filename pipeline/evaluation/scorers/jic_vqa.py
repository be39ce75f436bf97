"""eval-mm's jic-vqa: the category's name is in the answer. The number is the plain mean of the domains' means."""

from collections.abc import Sequence

from pipeline.evaluation.scorers.scorer import Answer, Statistics
from pipeline.evaluation.scorers.statistics import mean_of, mean_of_means

HEADLINE = "average"


def statistics(answers: Sequence[Answer], values: Sequence[float]) -> Statistics:
    """The mean of each domain; items without one are a domain of their own, ``None``."""
    domains = [str(answer.scoring.get("domain")) for answer in answers]
    each = {name: mean_of(values, [one == name for one in domains]) for name in dict.fromkeys(domains)}
    return {**each, HEADLINE: mean_of_means(values, domains)}
