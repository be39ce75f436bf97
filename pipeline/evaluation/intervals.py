"""How sure a mean is: seeded bootstrap intervals, and a paired test for two systems on the same items.

The same values in the same order always give the same numbers. Items on one image stand or fall together: eight
questions on a photo are not eight photos. So what is drawn, and what changes its sign, is a cluster of items, whole.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.power import detectable_difference

NUM_RESAMPLES = 2000
NUM_FLIPS = 9999
"""Sign flips drawn at random, where there are too many to try all."""
MOST_EXACT = 14
"""Clusters whose sign flips are all tried: ``2**14`` of them."""
DRAWS_AT_ONCE = 2_000_000
"""Numbers drawn before their means are taken, to bound memory."""
TAILS = (0.025, 0.975)
"""Quantiles of a 95 % interval."""
TOLERANCE = 1e-9
"""Means closer than this are equal: sums in another order differ in the last digits."""

Values = NDArray[np.float64]
Clusters = Sequence[Hashable | None]
"""One for each value, such as its image; None stands for a cluster of its own."""


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """A mean with its 95 % interval.

    The interval covers the choice of the items, nothing else. It has no width when all values are equal, however few
    they are: read it together with ``num_items`` and ``num_clusters``.
    """

    mean: float
    low: float
    high: float
    num_items: int
    num_clusters: int


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean of b minus mean of a with its 95 % interval, and a two-sided p-value for "there is no difference"."""

    difference: float
    low: float
    high: float
    p_value: float
    num_items: int
    num_clusters: int
    detectable: float | None
    """The smallest difference that these items could show; see ``power``."""


@dataclass(frozen=True, slots=True)
class Statistic:
    """A number over items that is a formula of sums over them: a group's mean, a mean of means, an F1 of pooled counts.

    So it can be computed again for any choice of clusters, from the clusters' own sums.
    """

    parts: Values
    """What is summed: a row for each item."""
    formula: Callable[[Values], Values]
    """Sums (the last axis) to numbers; NaN where there is nothing to take a mean of."""
    counted: NDArray[np.bool_]
    """The items that the number is about."""

    @property
    def value(self) -> float:
        """Over all items; 0 over none."""
        return float(np.nan_to_num(self.formula(self.parts.sum(axis=0))))


def statistic_intervals(
    statistics: Mapping[str, Statistic], *, clusters: Clusters | None = None, seed: int = 0
) -> dict[str, MeanInterval]:
    """Each number with its percentile bootstrap interval over clusters; a draw that has none of its items is left out.

    Raises:
        ValueError: not the same number of clusters.
    """
    if not statistics:
        return {}
    parts = np.concatenate([statistic.parts for statistic in statistics.values()], axis=1)
    place = _places(len(parts), clusters)
    sums = _cluster_sums(parts, place)
    drawn = np.concatenate(list(_drawn_sums(sums, seed=seed)))
    intervals, start = {}, 0
    for name, statistic in statistics.items():
        columns = slice(start, start := start + statistic.parts.shape[1])
        low, high = _tails(statistic.formula(drawn[:, columns]))
        num_clusters = len(set(place[statistic.counted].tolist()))
        num_items = int(statistic.counted.sum())
        intervals[name] = MeanInterval(statistic.value, low, high, num_items, num_clusters)
    return intervals


def _drawn_sums(sums: Values, *, seed: int) -> Iterator[Values]:
    """Sums over clusters drawn with replacement, a row for each draw."""
    random = np.random.default_rng(seed)
    for num_rows in _blocks(len(sums), NUM_RESAMPLES):
        drawn = random.integers(len(sums), size=(num_rows, len(sums)))
        drawn += np.arange(num_rows)[:, None] * len(sums)
        yield np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape) @ sums


def mean_interval(values: Sequence[float], *, clusters: Clusters | None = None, seed: int = 0) -> MeanInterval:
    """Plain mean over the values, and percentile bootstrap interval over their clusters.

    Raises:
        ValueError: there are no values, or not the same number of clusters.
    """
    array = np.asarray(values, dtype=np.float64)
    sums, counts = _by_cluster(array, clusters)
    low, high = _tails(_bootstrap(sums, counts, seed=seed))
    return MeanInterval(float(array.mean()), low, high, len(array), len(sums))


def paired_difference(
    a: Sequence[float], b: Sequence[float], *, clusters: Clusters | None = None, seed: int = 0
) -> PairedDifference:
    """Compare two systems on the same items; ``a[i]`` and ``b[i]`` belong to item ``i``.

    The interval is a bootstrap over clusters. The p-value is that of a sign-flip test: how often a mean at least as far
    from zero appears when the two systems' values are swapped at random, cluster by cluster. It stays large for very
    few clusters, where a bootstrap would claim certainty. Up to ``MOST_EXACT`` clusters that differ it is exact;
    beyond, its smallest value is ``1 / (NUM_FLIPS + 1)``.

    Raises:
        ValueError: there are no values, or not the same number of them.
    """
    if len(a) != len(b):
        raise ValueError(f"a paired comparison needs the same items on both sides: {len(a)} and {len(b)} values")
    differences = np.asarray(b, dtype=np.float64) - np.asarray(a, dtype=np.float64)
    sums, counts = _by_cluster(differences, clusters)
    drawn = _bootstrap(sums, counts, seed=seed)
    p_value = _sign_flip_p_value(sums / len(differences), seed=seed)
    return PairedDifference(
        float(differences.mean()),
        *_tails(drawn),
        p_value,
        len(differences),
        len(sums),
        detectable_difference(drawn, num_clusters=len(sums)),
    )


def statistic_differences(
    a: Mapping[str, Statistic], b: Mapping[str, Statistic], *, clusters: Clusters | None = None, seed: int = 0
) -> dict[str, PairedDifference]:
    """b minus a of each number, on the same items in the same order: ``paired_difference`` for formulas of sums.

    The p-value swaps the two systems' rows at random, cluster by cluster.

    Raises:
        ValueError: not the same number of items or clusters.
    """
    (parts_a, columns), (parts_b, _) = _side_by_side(a), _side_by_side(b)
    if parts_a.shape != parts_b.shape:
        raise ValueError(f"a paired comparison needs the same items on both sides: {len(parts_a)} and {len(parts_b)}")
    place = _places(len(parts_a), clusters)
    both = np.concatenate([_cluster_sums(parts_a, place), _cluster_sums(parts_b, place)], axis=1)
    width = parts_a.shape[1]
    observed, drawn = both.sum(axis=0)[None], np.concatenate(list(_drawn_sums(both, seed=seed)))
    swapped = np.concatenate(list(_swapped_sums(both[:, :width], both[:, width:], seed=seed)))

    def differences(name: str, sums: Values) -> Values:
        of_a, of_b = (a[name].formula(sums[:, start:][:, columns[name]]) for start in (0, width))
        return of_b - of_a

    return {
        name: _paired(
            *(differences(name, sums) for sums in (observed, drawn, swapped)),
            num_items=int(a[name].counted.sum()),
            num_clusters=len(set(place[a[name].counted].tolist())),
        )
        for name in a
    }


def _side_by_side(statistics: Mapping[str, Statistic]) -> tuple[Values, dict[str, slice]]:
    """The parts of all numbers as one table, and the columns of each."""
    columns, start = {}, 0
    for name, statistic in statistics.items():
        columns[name] = slice(start, start := start + statistic.parts.shape[1])
    return np.concatenate([statistic.parts for statistic in statistics.values()], axis=1), columns


def _swapped_sums(a: Values, b: Values, *, seed: int) -> Iterator[Values]:
    """Sums of both systems with the rows of some clusters swapped: of all choices if they are few, else at random."""
    num_clusters, moved = len(a), b - a
    random = np.random.default_rng(seed)
    is_exact = num_clusters <= MOST_EXACT
    for num_rows in [2**num_clusters] if is_exact else _blocks(num_clusters, NUM_FLIPS):
        swaps = (
            np.arange(num_rows)[:, None] >> np.arange(num_clusters) & 1
            if is_exact
            else random.integers(2, size=(num_rows, num_clusters), dtype=np.int8)
        )
        shift = swaps.astype(np.float64) @ moved
        yield np.concatenate([a.sum(axis=0) + shift, b.sum(axis=0) - shift], axis=1)


def _paired(observed: Values, drawn: Values, swapped: Values, *, num_items: int, num_clusters: int) -> PairedDifference:
    difference = float(observed[0])
    num_extreme = int((np.abs(swapped) >= abs(difference) - TOLERANCE).sum())
    drew = len(swapped) == NUM_FLIPS  # with the observed one among them; else all choices are there
    return PairedDifference(
        difference,
        *_tails(drawn),
        (drew + num_extreme) / (drew + len(swapped)),
        num_items,
        num_clusters,
        detectable_difference(drawn, num_clusters=num_clusters),
    )


def _by_cluster(values: Values, clusters: Clusters | None) -> tuple[Values, Values]:
    """Sum and number of the values of each cluster, in the order in which the clusters first appear."""
    if not len(values):
        raise ValueError("there is no mean of 0 values")
    if clusters is None:
        return values, np.ones(len(values))
    place = _places(len(values), clusters)
    sums: Values = np.bincount(place, weights=values).astype(np.float64)
    return sums, np.bincount(place).astype(np.float64)


def _places(num_values: int, clusters: Clusters | None) -> NDArray[np.int64]:
    """The number of each value's cluster."""
    if clusters is None:
        return np.arange(num_values)
    if len(clusters) != num_values:
        raise ValueError(f"{len(clusters)} clusters for {num_values} values")
    places: dict[Hashable, int] = {}
    own = (("item", index) if cluster is None else ("cluster", cluster) for index, cluster in enumerate(clusters))
    return np.array([places.setdefault(cluster, len(places)) for cluster in own], dtype=np.int64)


def _cluster_sums(parts: Values, place: NDArray[np.int64]) -> Values:
    """Sums of the rows of each cluster."""
    sums = np.zeros((int(place.max()) + 1, parts.shape[1]))
    np.add.at(sums, place, parts)
    return sums


def _bootstrap(sums: Values, counts: Values, *, seed: int) -> Values:
    """The mean over all values of clusters drawn with replacement, for each draw."""
    random = np.random.default_rng(seed)
    means = []
    for num_rows in _blocks(len(sums), NUM_RESAMPLES):
        drawn = random.integers(len(sums), size=(num_rows, len(sums)))
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    return np.concatenate(means)


def _tails(drawn: Values) -> tuple[float, float]:
    """The ends of the 95 % interval; a draw without any of the items is left out."""
    low, high = np.nanquantile(drawn, TAILS)
    return float(low), float(high)


def _sign_flip_p_value(contributions: Values, *, seed: int) -> float:
    """Of the clusters' contributions to the mean; those of zero stay zero with either sign."""
    contributions = contributions[contributions != 0]
    observed = abs(contributions.sum())
    num_clusters = len(contributions)
    if num_clusters <= MOST_EXACT:
        patterns = np.arange(2**num_clusters)[:, None] >> np.arange(num_clusters) & 1
        return float((np.abs((2.0 * patterns - 1.0) @ contributions) >= observed - TOLERANCE).mean())
    random = np.random.default_rng(seed)
    num_extreme = 0
    for num_rows in _blocks(num_clusters, NUM_FLIPS):
        signs = random.integers(2, size=(num_rows, num_clusters), dtype=np.int8) * 2.0 - 1.0
        num_extreme += int((np.abs(signs @ contributions) >= observed - TOLERANCE).sum())
    return (1 + num_extreme) / (1 + NUM_FLIPS)


def _blocks(num_clusters: int, num_draws: int) -> Iterator[int]:
    """Numbers of resamples to draw at once; they add up to ``num_draws``."""
    largest = max(1, DRAWS_AT_ONCE // num_clusters)
    for start in range(0, num_draws, largest):
        yield min(largest, num_draws - start)
