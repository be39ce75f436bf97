"""Which difference between two models some items can show at all.

The minimal detectable difference is the true difference that a two-sided test at 5 % finds in 80 % of all choices of
such items: so many standard errors of the difference. The error is that of the clusters (questions on one image are not
independent), from resampling them, and Student's t makes up for having estimated it from few.
"""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05
"""Of the two-sided test."""
POWER = 0.8
FEWEST_CLUSTERS = 6
"""With fewer, no sign-flip test is below the level: 2 of the 2 ** 5 patterns are 6 %."""


def detectable_difference(drawn: NDArray[np.float64], *, num_clusters: int) -> float | None:
    """The smallest difference that could be shown.

    Args:
        drawn: the difference in resamples of the clusters.
        num_clusters: how many there are.

    Returns:
        None where no difference could be: too few clusters, or two models that agree on every item.
    """
    if num_clusters < FEWEST_CLUSTERS:
        return None
    error = float(np.nanstd(drawn)) * math.sqrt(num_clusters / (num_clusters - 1))
    freedom = num_clusters - 1
    return (student_quantile(1 - LEVEL / 2, freedom) + student_quantile(POWER, freedom)) * error or None


def student_quantile(probability: float, freedom: int) -> float:
    """Of Student's t, by the expansion around the normal quantile (Abramowitz and Stegun 26.7.5): to 0.001 from 5."""
    x: float = NormalDist().inv_cdf(probability)
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + math.fsum(term / freedom**power for power, term in enumerate(terms, 1))
