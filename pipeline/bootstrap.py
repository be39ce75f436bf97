"""How sure a mean is: seeded bootstrap intervals, and a paired test for two systems on the same items.

The same values in the same order always give the same numbers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUM_RESAMPLES = 2000
DRAWS_AT_ONCE = 2_000_000
"""Numbers drawn before their means are taken, to bound memory."""
TAILS = (0.025, 0.975)
"""Quantiles of a 95 % interval."""
TOLERANCE = 1e-9
"""Means closer than this are equal: sums in another order differ in the last digits."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """A mean with its 95 % interval.

    The interval covers the choice of the items, nothing else. It has no width when all values are equal, however few
    they are: read it together with ``num_items``.
    """

    mean: float
    low: float
    high: float
    num_items: int


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean of b minus mean of a with its 95 % interval, and a two-sided p-value for "there is no difference"."""

    difference: float
    low: float
    high: float
    p_value: float
    num_items: int


def mean_interval(values: Sequence[float], *, seed: int = 0) -> MeanInterval:
    """Plain mean and percentile bootstrap interval.

    Raises:
        ValueError: there are no values.
    """
    array = np.asarray(values, dtype=np.float64)
    low, high = _bootstrap(array, seed=seed)
    return MeanInterval(float(array.mean()), low, high, len(array))


def paired_difference(a: Sequence[float], b: Sequence[float], *, seed: int = 0) -> PairedDifference:
    """Compare two systems on the same items; ``a[i]`` and ``b[i]`` belong to item ``i``.

    The interval is a bootstrap over items. The p-value is that of a sign-flip test: how often a mean at least as far
    from zero appears when each item's two values are swapped at random. It stays large for very few items, where a
    bootstrap would claim certainty; its smallest value is ``1 / (NUM_RESAMPLES + 1)``.

    Raises:
        ValueError: there are no values, or not the same number of them.
    """
    if len(a) != len(b):
        raise ValueError(f"a paired comparison needs the same items on both sides: {len(a)} and {len(b)} values")
    differences = np.asarray(b, dtype=np.float64) - np.asarray(a, dtype=np.float64)
    low, high = _bootstrap(differences, seed=seed)
    return PairedDifference(
        float(differences.mean()), low, high, _sign_flip_p_value(differences, seed=seed), len(differences)
    )


def _bootstrap(values: Values, *, seed: int) -> tuple[float, float]:
    num_items = len(values)
    if not num_items:
        raise ValueError("there is no mean of 0 values")
    random = np.random.default_rng(seed)
    means = np.concatenate(
        [values[random.integers(num_items, size=(num_rows, num_items))].mean(axis=1) for num_rows in _blocks(num_items)]
    )
    low, high = np.quantile(means, TAILS)
    return float(low), float(high)


def _sign_flip_p_value(differences: Values, *, seed: int) -> float:
    num_items = len(differences)
    random = np.random.default_rng(seed)
    observed = abs(differences.mean())
    num_extreme = 0
    for num_rows in _blocks(num_items):
        signs = random.integers(2, size=(num_rows, num_items), dtype=np.int8) * 2.0 - 1.0
        num_extreme += int((np.abs(signs @ differences / num_items) >= observed - TOLERANCE).sum())
    return (1 + num_extreme) / (1 + NUM_RESAMPLES)


def _blocks(num_items: int) -> Iterator[int]:
    """Numbers of resamples to draw at once; they add up to ``NUM_RESAMPLES``."""
    largest = max(1, DRAWS_AT_ONCE // num_items)
    for start in range(0, NUM_RESAMPLES, largest):
        yield min(largest, NUM_RESAMPLES - start)
