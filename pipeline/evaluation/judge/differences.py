"""Two models before the same judge: how far their numbers are apart, and whether that could be chance."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.benchmarks.known import OVERALL
from pipeline.evaluation.intervals import NUM_FLIPS, NUM_RESAMPLES, TAILS, TOLERANCE, PairedDifference
from pipeline.evaluation.judge.aggregate import AVERAGE_MACRO, AVERAGE_POOLED
from pipeline.evaluation.judge.headline import JudgementsSummary
from pipeline.evaluation.judge.prompt import wording_of
from pipeline.evaluation.judge.rows import Judgement, read_judgements
from pipeline.store.manifest import Manifest

# Shape suffixes: N = items, B = resamples or swaps, 2 = score of the reference, score of the model.

Scores = NDArray[np.float64]


def judged_differences(a: Manifest, b: Manifest) -> list[dict[str, Any]]:
    """Rows with the columns of a comparison's differences, without the experiments; none of two different judges."""
    summary, other = JudgementsSummary.of(a), JudgementsSummary.of(b)
    if (summary.benchmark, summary.label) != (other.benchmark, other.label):
        return []
    categories = wording_of(a.request.config["judge"]["protocol"]).categories
    found = ratio_differences(read_judgements(a), read_judgements(b), categories=categories)
    return [
        {
            "benchmark": summary.benchmark,
            "protocol": summary.label,
            "metric": metric,
            "breakdown": OVERALL,
            "group": OVERALL,
            "difference": one.difference,
            "low": one.low,
            "high": one.high,
            "p_value": one.p_value,
            "num_items": one.num_items,
            "num_clusters": one.num_clusters,
        }
        for metric, one in found.items()
    ]


def ratio_differences(
    a: Sequence[Judgement], b: Sequence[Judgement], *, categories: Sequence[str], seed: int = 0
) -> dict[str, PairedDifference]:
    """b minus a of each category and both averages, over the items that have all their scores in both.

    An item's scores are the means over its repeats. The interval draws items with both models' scores, in each category
    as many as it has. The p-value is that of a permutation test: how often a difference at least as large appears when
    the two models' judgements are swapped at random, item by item. A category without common items is left out, and
    then there is no macro average.
    """
    scores_a, scores_b = _by_item(a), _by_item(b)
    category_of = {judgement.item_id: judgement.category for judgement in a}
    common = [name for name in scores_a if name in scores_b]
    random = np.random.default_rng(seed)
    observed, drawn, swapped = {}, {}, {}
    num_items = {}
    for category in categories:
        names = [name for name in common if category_of[name] == category]
        if not names:
            continue
        both = np.stack([[scores_a[name] for name in names], [scores_b[name] for name in names]])
        observed[category] = both.sum(axis=1)[:, None]
        drawn[category] = _drawn(both, random)
        swapped[category] = _swapped(both, random)
        num_items[category] = len(names)
    has_all = len(observed) == len(categories)
    total = sum(num_items.values())
    sizes = {**num_items, **({AVERAGE_MACRO: total} if has_all else {}), AVERAGE_POOLED: total}
    if not total:
        return {}
    numbers = [_differences(sums) for sums in (observed, drawn, swapped)]
    return {metric: _paired(*(one[metric] for one in numbers), num_items=size) for metric, size in sizes.items()}


def _by_item(judgements: Sequence[Judgement]) -> dict[str, tuple[float, float]]:
    """Mean scores over the repeats, of the items without a failure."""
    found: dict[str, list[tuple[float, float]]] = {}
    failed = set()
    for row in judgements:
        if row.reference_score is None or row.model_score is None:
            failed.add(row.item_id)
        else:
            found.setdefault(row.item_id, []).append((row.reference_score, row.model_score))
    means = {name: np.mean(scores, axis=0) for name, scores in found.items() if name not in failed}
    return {name: (float(mean[0]), float(mean[1])) for name, mean in means.items()}


def _drawn(both: Scores, random: np.random.Generator) -> Scores:
    """Sums over items drawn with replacement, ``[model, B, 2]``; ``both`` is ``[model, N, 2]``."""
    num_items = both.shape[1]
    counts_BN = random.multinomial(num_items, np.full(num_items, 1 / num_items), size=NUM_RESAMPLES)
    return np.stack([counts_BN @ one for one in both])


def _swapped(both: Scores, random: np.random.Generator) -> Scores:
    """Sums with the two models' judgements of some items swapped."""
    swaps_BN = random.integers(2, size=(NUM_FLIPS, both.shape[1])).astype(np.float64)
    moved = swaps_BN @ (both[1] - both[0])
    return np.stack([both[0].sum(axis=0) + moved, both[1].sum(axis=0) - moved])


def _differences(sums: Mapping[str, Scores]) -> dict[str, Scores]:
    """Number of b minus number of a by metric, ``[B]``; ``sums`` are ``[model, B, 2]`` by category."""
    ratios = {category: 100 * one[..., 1] / one[..., 0] for category, one in sums.items()}
    pooled = np.sum(list(sums.values()), axis=0)
    ratios[AVERAGE_MACRO] = np.mean(list(ratios.values()), axis=0)
    ratios[AVERAGE_POOLED] = 100 * pooled[..., 1] / pooled[..., 0]
    return {metric: of_both[1] - of_both[0] for metric, of_both in ratios.items()}


def _paired(observed_B: Scores, drawn_B: Scores, swapped_B: Scores, *, num_items: int) -> PairedDifference:
    difference = float(observed_B[0])
    low, high = np.quantile(drawn_B, TAILS)
    num_extreme = int((np.abs(swapped_B) >= abs(difference) - TOLERANCE).sum())
    p_value = (1 + num_extreme) / (1 + len(swapped_B))
    return PairedDifference(difference, float(low), float(high), p_value, num_items, num_items)
