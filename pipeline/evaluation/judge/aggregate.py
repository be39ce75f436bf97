"""Judgements to numbers: 100 * mean score of the model / mean score of the reference, by category, and two averages.

``average_macro`` is the mean of the categories' ratios (Heron-Bench's own, and the borrowed rows of the article's
table); ``average_pooled`` is the ratio over all items (LLaVA's "all", and the rows of LLaVA-JP itself).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.evaluation.intervals import NUM_RESAMPLES, TAILS
from pipeline.evaluation.judge.rows import Judgement

# Shape suffixes: R = repeats, N = items, B = resamples, 2 = score of the reference, score of the model.

Variant = Literal["clean", "official"]
"""clean: failures are left out, and counted. official: as the published script does it, a failure is -1 in both means,
and the first reply to an item counts, read by the official parser."""

AVERAGE_MACRO, AVERAGE_POOLED = "average_macro", "average_pooled"
OFFICIAL_FAILURE = -1.0

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
    ]
)

Scores = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class JudgeScore:
    """One number. ``value`` is the mean over the repeats; None when a category has no judged item in one of them.

    The 95 % interval is a seeded bootstrap over the items: those of each category are drawn anew, as many as it has,
    with all their repeats. It covers the choice of the items; how much the judge itself varies is the deviation of the
    repeats (of a sample, None for one repeat). The official variant has no interval: with -1 among the scores,
    resampled denominators mean nothing.
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


def judge_score_rows(judgements: Sequence[Judgement], *, categories: Sequence[str], label: str) -> list[dict[str, Any]]:
    """Rows of ``JUDGE_SCORE_SCHEMA`` for one artifact's judgements."""
    first = judgements[0]
    names = {
        "benchmark": first.benchmark,
        "label": label,
        "judge_model": first.judge_model,
        "prompt_sha256": first.prompt_sha256,
    }
    return [{**names, **asdict(score)} for score in judge_scores(judgements, categories=categories)]


def judge_scores(judgements: Sequence[Judgement], *, categories: Sequence[str], seed: int = 0) -> list[JudgeScore]:
    """Both variants of every category and both averages; of the clean one also the image categories.

    Raises:
        ValueError: an item lacks a repeat.
    """
    table = _Table(judgements)
    by_category = {name: table.items_where("category", name) for name in categories}
    scores = _of_variant("clean", table.clean_RN2, table, by_category, seed=seed)
    for name in sorted({judgement.image_category for judgement in judgements} - {None}, key=str):
        items = table.items_where("image_category", name)
        ratios_R, drawn_B = _ratios(table.clean_RN2, items), _drawn(table.clean_RN2, items, seed=seed)
        interval = _interval(100 * drawn_B[..., 1] / drawn_B[..., 0])
        scores.append(
            _score("clean", f"image_category/{name}", ratios_R, interval, table.num_failed(items), len(items))
        )
    return scores + _of_variant("official", table.official_RN2, table, by_category, seed=None)


class _Table:
    """The scores of some judgements as arrays."""

    def __init__(self, judgements: Sequence[Judgement]) -> None:
        self.items = list({judgement.item_id: judgement for judgement in judgements}.values())
        position = {item.item_id: index for index, item in enumerate(self.items)}
        num_repeats = 1 + max(judgement.repeat for judgement in judgements)
        if len({(row.item_id, row.repeat) for row in judgements}) != num_repeats * len(self.items):
            raise ValueError(f"{len(judgements)} judgements are not {num_repeats} of each of {len(self.items)} items")
        self.clean_RN2 = np.full((num_repeats, len(self.items), 2), math.nan)
        self.official_RN2 = np.full((num_repeats, len(self.items), 2), OFFICIAL_FAILURE)
        for row in judgements:
            place = row.repeat, position[row.item_id]
            if row.reference_score is not None and row.model_score is not None:
                self.clean_RN2[place] = row.reference_score, row.model_score
            if row.official_reference_score is not None and row.official_model_score is not None:
                self.official_RN2[place] = row.official_reference_score, row.official_model_score

    def items_where(self, field: Literal["category", "image_category"], name: str | None) -> Indices:
        return np.asarray(
            [index for index, item in enumerate(self.items) if getattr(item, field) == name], dtype=np.int64
        )

    def num_failed(self, items_N: Indices) -> int:
        """The same in both variants: without usable scores after all attempts."""
        return int(np.isnan(self.clean_RN2[:, items_N, 0]).sum())


def _of_variant(
    variant: Variant, scores_RN2: Scores, table: _Table, by_category: Mapping[str, Indices], *, seed: int | None
) -> list[JudgeScore]:
    """Three categories and two averages; with a seed, their intervals."""
    everything = np.concatenate(list(by_category.values()))
    members = {**by_category, AVERAGE_MACRO: everything, AVERAGE_POOLED: everything}
    ratios = {name: _ratios(scores_RN2, items) for name, items in by_category.items()}
    ratios[AVERAGE_MACRO] = np.mean(list(ratios.values()), axis=0)
    ratios[AVERAGE_POOLED] = _ratios(scores_RN2, everything)
    intervals: dict[str, tuple[float | None, float | None]] = {}
    if seed is not None:
        generator = np.random.SeedSequence(seed).spawn(len(by_category))
        drawn = {
            name: _drawn(scores_RN2, items, seed=child)
            for (name, items), child in zip(by_category.items(), generator, strict=True)
        }
        resampled = {name: 100 * sums[..., 1] / sums[..., 0] for name, sums in drawn.items()}
        resampled[AVERAGE_MACRO] = np.mean(list(resampled.values()), axis=0)
        total = np.sum(list(drawn.values()), axis=0)
        resampled[AVERAGE_POOLED] = 100 * total[..., 1] / total[..., 0]
        intervals = {name: _interval(values) for name, values in resampled.items()}
    return [
        _score(
            variant,
            name,
            values,
            intervals.get(name, (None, None)),
            table.num_failed(members[name]),
            len(members[name]),
        )
        for name, values in ratios.items()
    ]


def _ratios(scores_RN2: Scores, items_N: Indices) -> Scores:
    """The ratio of some items in each repeat, ``[R]``; NaN when none of them has scores.

    A failure lacks both scores, so the ratio of the sums is that of the means.
    """
    reference_R, model_R = np.nansum(scores_RN2[:, items_N], axis=1).T
    ratios_R: Scores = 100 * model_R / np.where(reference_R == 0, math.nan, reference_R)
    return ratios_R


def _drawn(scores_RN2: Scores, items_N: Indices, *, seed: int | np.random.SeedSequence) -> Scores:
    """Sums of the scores of items drawn with replacement, ``[B, R, 2]``; NaN where all of them are failures."""
    filled_RN2 = np.nan_to_num(scores_RN2[:, items_N], nan=0.0)
    num_items = len(items_N)
    draws_BN = np.random.default_rng(seed).integers(num_items, size=(NUM_RESAMPLES, num_items))
    sums = np.stack([filled_RN2[:, draws_N].sum(axis=1) for draws_N in draws_BN])
    return np.where(sums == 0, math.nan, sums)


def _interval(values_BR: Scores) -> tuple[float | None, float | None]:
    """95 % of the means over the repeats; of the resamples that have scores."""
    means_B = values_BR.mean(axis=1)
    if np.isnan(means_B).all():
        return None, None
    low, high = np.nanquantile(means_B, TAILS)
    return float(low), float(high)


def _score(
    variant: Variant,
    metric: str,
    ratios_R: Scores,
    interval: tuple[float | None, float | None],
    num_failed: int,
    num_items: int,
) -> JudgeScore:
    num_repeats = len(ratios_R)
    has_value = not np.isnan(ratios_R).any()
    low, high = interval if has_value else (None, None)
    return JudgeScore(
        variant=variant,
        metric=metric,
        value=float(ratios_R.mean()) if has_value else None,
        low=low,
        high=high,
        num_items=num_items,
        num_failed=num_failed,
        num_repeats=num_repeats,
        repeat_deviation=float(ratios_R.std(ddof=1)) if has_value and num_repeats > 1 else None,
        repeat_lowest=float(ratios_R.min()) if has_value else None,
        repeat_highest=float(ratios_R.max()) if has_value else None,
    )
