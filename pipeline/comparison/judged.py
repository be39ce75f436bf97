"""A judge's numbers in the rows of a comparison. Its label is the protocol, so two judges never share a column."""

from pipeline.comparison.scores import OtherScores
from pipeline.config.experiment import LimitsConfig
from pipeline.evaluation.judge.headline import (
    JudgementsSummary,
    group_of,
    judgements_withheld_because,
    read_judge_scores,
)
from pipeline.evaluation.judge.protocols import wording_of
from pipeline.store.manifest import Manifest


def compared_scores(judgements: Manifest, limits: LimitsConfig) -> OtherScores:
    """The clean numbers, withheld or not, and the official ones under names of their own. A null is no row.

    The number of a category of images or items is its pooled ratio or its mean.
    """
    reason = judgements_withheld_because(judgements, limits)
    wording = wording_of(judgements.request.config["judge"]["protocol"])
    rows = []
    for score in read_judge_scores(judgements):
        if score["value"] is None:
            continue
        is_clean = score["variant"] == "clean"
        named = group_of(score["metric"], wording)
        rows.append(
            {
                "benchmark": score["benchmark"],
                "protocol": score["label"],
                **named,
                "metric": named["metric"] if is_clean else f"{score['variant']}/{named['metric']}",
                "mean": score["value"],
                "low": score["low"],
                "high": score["high"],
                "num_items": score["num_items"],
                "num_clusters": score.get("num_clusters", score["num_items"]),  # older files drew items
                "is_withheld": is_clean and reason is not None,
            }
        )
    return OtherScores(judgements, tuple(rows), note=reason or _note(judgements))


def _note(judgements: Manifest) -> str:
    summary = JudgementsSummary.of(judgements)
    times = f"{summary.num_repeats} times" if summary.num_repeats > 1 else "once"
    failed = f"; {summary.num_failed} judgements failed and are in no mean" if summary.num_failed else ""
    served = (
        f" (served as {summary.served_models[0]})" if summary.served_models not in ((), (summary.judge_model,)) else ""
    )
    return (
        f"{summary.benchmark} was judged {times} by {summary.judge_model}{served} as {summary.label}, prompt "
        f"{summary.prompt_sha256[:8]}{failed}"
    )
