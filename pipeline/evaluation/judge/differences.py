"""Two models before the same judge: how far their numbers are apart, and whether that could be chance."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from pipeline.evaluation.intervals import PairedDifference, statistic_differences
from pipeline.evaluation.judge.headline import JudgementsSummary, group_of
from pipeline.evaluation.judge.numbers import SCALE, JudgedTable, judged_statistics, repeats_of, scores_of
from pipeline.evaluation.judge.protocols import Wording, wording_of
from pipeline.evaluation.judge.rows import Judgement, read_judgements
from pipeline.store.manifest import Manifest


def judged_differences(a: Manifest, b: Manifest) -> list[dict[str, Any]]:
    """Rows with the columns of a comparison's differences, without the experiments; none of two different judges."""
    summary, other = JudgementsSummary.of(a), JudgementsSummary.of(b)
    if (summary.benchmark, summary.label) != (other.benchmark, other.label):
        return []
    wording = wording_of(a.request.config["judge"]["protocol"])
    found = score_differences(read_judgements(a), read_judgements(b), wording)
    names = {"benchmark": summary.benchmark, "protocol": summary.label}
    return [{**names, **group_of(metric, wording), **asdict(one)} for metric, one in found.items()]


def score_differences(
    a: Sequence[Judgement], b: Sequence[Judgement], wording: Wording, *, seed: int = 0
) -> dict[str, PairedDifference]:
    """b minus a of each number, over the items that have all their scores in both.

    An item's scores are the means over its repeats. Interval and p-value draw, and swap between the models, the images
    with all their questions. A category without common items is left out, and then there is no macro average.
    """
    scores_a, scores_b = _by_item(a, wording), _by_item(b, wording)
    items = {row.item_id: row for row in a if row.item_id in scores_a and row.item_id in scores_b}
    if not items:
        return {}
    both = [np.array([[scores[name] for name in items]]) for scores in (scores_a, scores_b)]
    groups = [row.category for row in items.values()], [row.image_category for row in items.values()]
    of_a, of_b = (judged_statistics(JudgedTable(scores, *groups), wording) for scores in both)
    scale = SCALE[wording.reading]
    known = [name for name in of_a if not np.isnan(repeats_of(of_a[name], both[0], scale)).any()]
    return statistic_differences(
        {name: of_a[name] for name in known},
        {name: of_b[name] for name in known},
        clusters=[row.image_sha256 for row in items.values()],
        seed=seed,
    )


def _by_item(judgements: Sequence[Judgement], wording: Wording) -> dict[str, tuple[float, float]]:
    """Mean scores over the repeats, of the items without a failure."""
    found: dict[str, list[tuple[float, float]]] = {}
    failed = set()
    for row in judgements:
        if (scores := scores_of(row, wording)) is None:
            failed.add(row.item_id)
        else:
            found.setdefault(row.item_id, []).append(scores)
    means = {name: np.mean(scores, axis=0) for name, scores in found.items() if name not in failed}
    return {name: (float(mean[0]), float(mean[1])) for name, mean in means.items()}
