"""Judgements to numbers with their intervals: those of a careful reader, and those of the published script."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from pipeline.evaluation.intervals import MeanInterval, Values, statistic_intervals
from pipeline.evaluation.judge.numbers import (
    AVERAGE_MACRO,
    AVERAGE_POOLED,
    SCALE,
    JudgedTable,
    Mask,
    Scores,
    judged_statistics,
    main_metric,
    repeats_of,
    scores_of,
)
from pipeline.evaluation.judge.protocols import Wording
from pipeline.evaluation.judge.rows import Judgement

Variant = Literal["clean", "official"]
"""clean: failures are left out, and counted. official: as the published script does it, from the first reply to an item
as its own parser reads it. Heron-Bench's failures are -1 in both means there. What llm-jp-eval-mm cannot read is 0, as
there; a reply or an answer that is missing is 0 there, and here there is no number then."""

OFFICIAL_FAILURE = -1.0
LEAST_REFERENCE = 0.01
"""What llm-jp-eval-mm divides by at least."""

JUDGE_SCORE_SCHEMA = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("judge_model", pa.string(), nullable=False),
        pa.field("prompt_sha256", pa.string(), nullable=False),
        pa.field("variant", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
        pa.field("num_items", pa.int64(), nullable=False),
        pa.field("num_failed", pa.int64(), nullable=False),
        pa.field("num_repeats", pa.int64(), nullable=False),
        pa.field("repeat_deviation", pa.float64()),
        pa.field("repeat_lowest", pa.float64()),
        pa.field("repeat_highest", pa.float64()),
        pa.field("num_clusters", pa.int64()),
    ]
)
"""``num_clusters`` are the images that were drawn for the interval; older files lack it."""


@dataclass(frozen=True, slots=True)
class JudgeScore:
    """One number. ``value`` is the mean over the repeats; None when a category has no judged item in one of them.

    The 95 % interval is a seeded bootstrap over the images: all questions on one are drawn together, with all their
    repeats. It covers the choice of the images; how much the judge itself varies is the deviation of the repeats (of a
    sample, None for one repeat). The official variant has no interval: with -1 among the scores, resampled denominators
    mean nothing.
    """

    variant: Variant
    metric: str
    value: float | None
    low: float | None
    high: float | None
    num_items: int
    num_failed: int
    """Judgements without usable scores among these items, over all repeats."""
    num_repeats: int
    repeat_deviation: float | None
    repeat_lowest: float | None
    repeat_highest: float | None
    num_clusters: int


def judge_score_rows(judgements: Sequence[Judgement], wording: Wording, *, label: str) -> list[dict[str, Any]]:
    """Rows of ``JUDGE_SCORE_SCHEMA`` for one artifact's judgements."""
    first = judgements[0]
    names = {
        "benchmark": first.benchmark,
        "label": label,
        "judge_model": first.judge_model,
        "prompt_sha256": first.prompt_sha256,
    }
    return [{**names, **asdict(score)} for score in judge_scores(judgements, wording)]


def judge_scores(judgements: Sequence[Judgement], wording: Wording, *, seed: int = 0) -> list[JudgeScore]:
    """Both variants of every number; of the clean one also those of the image categories.

    Raises:
        ValueError: an item lacks a repeat.
    """
    grid = _Grid(judgements, wording)
    clusters = [item.image_sha256 for item in grid.items]
    statistics = judged_statistics(grid.table(grid.clean_RN2), wording)
    values = {name: repeats_of(one, grid.clean_RN2, SCALE[wording.reading]) for name, one in statistics.items()}
    sure = {name: one for name, one in statistics.items() if not np.isnan(values[name]).any()}
    intervals = statistic_intervals(sure, clusters=clusters, seed=seed)
    scores = [
        _score("clean", name, values[name], grid, one.counted, intervals.get(name)) for name, one in statistics.items()
    ]
    return scores + [
        _score("official", name, values_R, grid, counted, None)
        for name, (values_R, counted) in _official(grid, wording).items()
    ]


class _Grid:
    """The scores of some judgements as arrays."""

    def __init__(self, judgements: Sequence[Judgement], wording: Wording) -> None:
        self.items = list({judgement.item_id: judgement for judgement in judgements}.values())
        position = {item.item_id: index for index, item in enumerate(self.items)}
        self.num_repeats = 1 + max(judgement.repeat for judgement in judgements)
        if len({(row.item_id, row.repeat) for row in judgements}) != self.num_repeats * len(self.items):
            raise ValueError(
                f"{len(judgements)} judgements are not {self.num_repeats} of each of {len(self.items)} items"
            )
        self.clean_RN2 = np.full((self.num_repeats, len(self.items), 2), math.nan)
        self.official_RN2 = np.full_like(self.clean_RN2, OFFICIAL_FAILURE if wording.has_pairs else math.nan)
        for row in judgements:
            place = row.repeat, position[row.item_id]
            if (clean := scores_of(row, wording)) is not None:
                self.clean_RN2[place] = clean
            if row.official_model_score is not None:
                reference = row.official_reference_score if wording.has_pairs else 1.0
                self.official_RN2[place] = reference, row.official_model_score

    def table(self, scores_RN2: Scores) -> JudgedTable:
        return JudgedTable(
            scores_RN2, [item.category for item in self.items], [item.image_category for item in self.items]
        )

    def num_failed(self, counted: Mask) -> int:
        """The same in both variants: without usable scores after all attempts."""
        return int(np.isnan(self.clean_RN2[:, counted, 0]).sum())


def _official(grid: _Grid, wording: Wording) -> dict[str, tuple[Values, Mask]]:
    """The published script's numbers by name: in each repeat, and the items that they are about."""
    if wording.reading == "two_keys":
        return _eval_mm_heron(grid, wording.categories)
    names = (*wording.categories, AVERAGE_MACRO, AVERAGE_POOLED) if wording.has_pairs else (main_metric(wording),)
    found = judged_statistics(grid.table(grid.official_RN2), wording)
    values = {name: repeats_of(found[name], grid.official_RN2, SCALE[wording.reading]) for name in names}
    if not wording.has_pairs and np.isnan(grid.official_RN2).any():
        values = {name: np.full_like(values_R, math.nan) for name, values_R in values.items()}
    return {name: (values[name], found[name].counted) for name in names}


def _eval_mm_heron(grid: _Grid, categories: Sequence[str]) -> dict[str, tuple[Values, Mask]]:
    """``aggregate`` of llm-jp-eval-mm's ``heron-bench``: means, and ratios of means that failures of -1 are part of.

    A category without items, or of failures alone, has no number and adds 0 to ``overall_rel``.
    """
    everything = np.ones(len(grid.items), dtype=bool)
    found: dict[str, tuple[Values, Mask]] = {}
    total_R = np.zeros(grid.num_repeats)
    for name in categories:
        mask = np.asarray([item.category == name for item in grid.items], dtype=bool)
        if not mask.any():
            continue
        reference_R, model_R = grid.official_RN2[:, mask].mean(axis=1).T
        model_R = np.where(model_R == OFFICIAL_FAILURE, math.nan, model_R)
        ratio_R = 100 * model_R / np.maximum(LEAST_REFERENCE, reference_R)
        found |= {name: (model_R, mask), f"{name}_rel": (ratio_R, mask)}
        total_R = total_R + np.nan_to_num(ratio_R)
    found["overall"] = grid.official_RN2[..., 1].mean(axis=1), everything
    found["overall_rel"] = total_R / len(categories), everything
    return found


def _score(
    variant: Variant, metric: str, values_R: Values, grid: _Grid, counted: Mask, interval: MeanInterval | None
) -> JudgeScore:
    has_value = not np.isnan(values_R).any()
    places = [index for index in np.flatnonzero(counted)]
    images = {grid.items[index].image_sha256 or index for index in places}
    return JudgeScore(
        variant=variant,
        metric=metric,
        value=float(values_R.mean()) if has_value else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        num_items=len(places),
        num_failed=grid.num_failed(counted),
        num_repeats=grid.num_repeats,
        repeat_deviation=float(values_R.std(ddof=1)) if has_value and grid.num_repeats > 1 else None,
        repeat_lowest=float(values_R.min()) if has_value else None,
        repeat_highest=float(values_R.max()) if has_value else None,
        num_clusters=len(images),
    )
