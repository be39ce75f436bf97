"""What a protocol computes from scores, as formulas of sums over items, so that any choice of items can be computed.

Pairs: 100 * sum of the model's scores / sum of the reference's, by category, and two averages. ``average_macro`` is the
mean of the categories' ratios (Heron-Bench's own, and the borrowed rows of the article's table); ``average_pooled`` is
the ratio over all items (LLaVA's "all", and the rows of LLaVA-JP itself). Grades and verdicts: the mean of the model's.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.intervals import Statistic, Values
from pipeline.evaluation.judge.protocols import Reading, Wording
from pipeline.evaluation.judge.rows import Judgement

# Shape suffixes: R = repeats, N = items, C = categories, 2 = score of the reference, score of the model.

AVERAGE_MACRO, AVERAGE_POOLED = "average_macro", "average_pooled"
MEAN_OF: Mapping[Reading, str] = {"grade": "mean_grade", "verdict": "accuracy"}
"""How the mean over all items is called."""
SCALE: Mapping[Reading, float] = {"two_scores": 100.0, "two_keys": 100.0, "grade": 1.0, "verdict": 100.0}
"""Ratios and accuracy are percent; grades stay on their scale of 0 to 5."""
CATEGORY, IMAGE_CATEGORY = "category", "image_category"

Scores = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class JudgedTable:
    """Scores of some items as an array ``[R, N, 2]``, NaN where there are none; a single score stands beside a 1."""

    scores: Scores
    categories: Sequence[str | None]
    image_categories: Sequence[str | None]


def main_metric(wording: Wording) -> str:
    """The number that stands for a benchmark, and for a group of its items."""
    return AVERAGE_POOLED if wording.has_pairs else MEAN_OF[wording.reading]


def scores_of(row: Judgement, wording: Wording) -> tuple[float, float] | None:
    """Score of the reference, or 1 where it has none, and of the model; None for a failure."""
    if row.model_score is None or (wording.has_pairs and row.reference_score is None):
        return None
    return (1.0 if row.reference_score is None else row.reference_score), row.model_score


def judged_statistics(table: JudgedTable, wording: Wording) -> dict[str, Statistic]:
    """Every number of a protocol by name."""
    scores_RN2, scale = table.scores, SCALE[wording.reading]
    everything = np.ones(scores_RN2.shape[1], dtype=bool)
    found: dict[str, Statistic] = {}
    if wording.has_pairs:
        of_category = {name: _where(table.categories, name) for name in wording.categories}
        found |= {name: _ratio(scores_RN2, mask, scale) for name, mask in of_category.items()}
        found[AVERAGE_MACRO] = _mean_of_ratios(scores_RN2, list(of_category.values()), scale)
        found[AVERAGE_POOLED] = _ratio(scores_RN2, np.logical_or.reduce(list(of_category.values())), scale)
    else:
        found[main_metric(wording)] = _ratio(scores_RN2, everything, scale)
        found |= _by_group(scores_RN2, CATEGORY, table.categories, scale)
    return found | _by_group(scores_RN2, IMAGE_CATEGORY, table.image_categories, scale)


def repeats_of(statistic: Statistic, scores_RN2: Scores, scale: float) -> Values:
    """The number in each repeat, ``[R]``; NaN without a score."""
    pairs = statistic.parts.sum(axis=0).reshape(-1, len(scores_RN2), 2)  # [C, R, 2]
    ratios: Values = _ratios(pairs, scale).mean(axis=0)
    return ratios


def _by_group(scores_RN2: Scores, kind: str, groups: Sequence[str | None], scale: float) -> dict[str, Statistic]:
    names = sorted({name for name in groups if name is not None})
    return {f"{kind}/{name}": _ratio(scores_RN2, _where(groups, name), scale) for name in names}


def _where(groups: Sequence[str | None], name: str) -> Mask:
    return np.asarray([group == name for group in groups], dtype=bool)


def _ratio(scores_RN2: Scores, mask_N: Mask, scale: float) -> Statistic:
    return _mean_of_ratios(scores_RN2, [mask_N], scale)


def _mean_of_ratios(scores_RN2: Scores, masks: Sequence[Mask], scale: float) -> Statistic:
    """The mean over repeats and masks of each one's ratio of sums. A failure lacks both scores and adds to no sum."""
    num_repeats, num_items, _ = scores_RN2.shape
    filled_NR2 = np.nan_to_num(scores_RN2, nan=0.0).transpose(1, 0, 2)
    parts_NCR2 = np.stack([np.where(mask_N[:, None, None], filled_NR2, 0.0) for mask_N in masks], axis=1)

    def formula(sums: Values) -> Values:
        pairs = sums.reshape(*sums.shape[:-1], len(masks), num_repeats, 2)
        means: Values = _ratios(pairs, scale).mean(axis=(-2, -1))
        return means

    return Statistic(parts_NCR2.reshape(num_items, -1), formula, np.logical_or.reduce(list(masks)))


def _ratios(pairs: Values, scale: float) -> Values:
    """``[..., 2]`` to ``[...]``; NaN where the reference has nothing."""
    ratios: Values = scale * pairs[..., 1] / np.where(pairs[..., 0] == 0, math.nan, pairs[..., 0])
    return ratios
