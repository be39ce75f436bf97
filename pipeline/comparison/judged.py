"""A judge's numbers in the rows of a comparison. Its label is the protocol, so two judges never share a column."""

from pipeline.benchmarks.known import OVERALL
from pipeline.comparison.scores import OtherScores
from pipeline.config.experiment import LimitsConfig
from pipeline.evaluation.judge.aggregate import AVERAGE_POOLED
from pipeline.evaluation.judge.headline import (
    JudgementsSummary,
    judgements_withheld_because,
    read_judge_scores,
)
from pipeline.store.manifest import Manifest


def compared_scores(judgements: Manifest, limits: LimitsConfig) -> OtherScores:
    """The clean numbers, withheld or not, and the official ones under names of their own. A null is no row.

    An image category's number is its pooled ratio.
    """
    reason = judgements_withheld_because(judgements, limits)
    rows = []
    for score in read_judge_scores(judgements):
        if score["value"] is None:
            continue
        is_clean = score["variant"] == "clean"
        breakdown, has_group, group = score["metric"].partition("/")
        metric = AVERAGE_POOLED if has_group else score["metric"]
        rows.append(
            {
                "benchmark": score["benchmark"],
                "protocol": score["label"],
                "metric": metric if is_clean else f"{score['variant']}/{metric}",
                "breakdown": breakdown if has_group else OVERALL,
                "group": group if has_group else OVERALL,
                "mean": score["value"],
                "low": score["low"],
                "high": score["high"],
                "num_items": score["num_items"],
                "num_clusters": score["num_items"],
                "is_withheld": is_clean and reason is not None,
            }
        )
    return OtherScores(judgements, tuple(rows), note=reason or _note(judgements))


def _note(judgements: Manifest) -> str:
    summary = JudgementsSummary.of(judgements)
    times = f"{summary.num_repeats} times" if summary.num_repeats > 1 else "once"
    failed = f"; {summary.num_failed} judgements failed and are in no mean" if summary.num_failed else ""
    return f"{summary.benchmark} was judged {times} by {summary.judge_model} as {summary.label}{failed}"
