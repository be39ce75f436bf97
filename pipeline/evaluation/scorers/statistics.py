"""Kinds of numbers over items, as formulas of sums: means of some of them, and means of such means."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pipeline.evaluation.intervals import Statistic, Values


def mean_of(values: Sequence[float], chosen: Sequence[bool] | None = None) -> Statistic:
    """The mean of the values that are chosen; of all of them if nothing is said."""
    counted = np.ones(len(values), dtype=bool) if chosen is None else np.asarray(chosen, dtype=bool)
    parts = np.stack([np.where(counted, np.asarray(values, dtype=np.float64), 0.0), counted.astype(np.float64)], axis=1)
    return Statistic(parts, ratio, counted)


def mean_of_means(values: Sequence[float], groups: Sequence[object]) -> Statistic:
    """The plain mean of the groups' means, however many items each group has."""
    names = list(dict.fromkeys(groups))
    means = [mean_of(values, [group == name for group in groups]) for name in names]
    parts = [mean.parts for mean in means] or [np.zeros((len(values), 0))]

    def formula(sums: Values) -> Values:
        pairs = sums.reshape(*sums.shape[:-1], len(names), 2)
        each = ratio(pairs)
        there = ~np.isnan(each)
        return ratio(
            np.stack([np.where(there, each, 0.0).sum(axis=-1), there.sum(axis=-1).astype(np.float64)], axis=-1)
        )

    return Statistic(np.concatenate(parts, axis=1), formula, np.ones(len(values), dtype=bool))


def formula_of(columns: Mapping[str, Sequence[float]], formula: Callable[..., Values]) -> Statistic:
    """A formula that takes the columns' sums by name."""
    parts = np.array(list(columns.values()), dtype=np.float64).T.reshape(-1, len(columns))

    def of_sums(sums: Values) -> Values:
        return formula(**{name: sums[..., place] for place, name in enumerate(columns)})

    return Statistic(parts, of_sums, np.ones(len(parts), dtype=bool))


def rounded(statistic: Statistic, num_digits: int) -> Statistic:
    """The same number, rounded."""
    return Statistic(statistic.parts, lambda sums: np.round(statistic.formula(sums), num_digits), statistic.counted)


def ratio(sums: Values) -> Values:
    """The first of two sums by the second; NaN by 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan)
