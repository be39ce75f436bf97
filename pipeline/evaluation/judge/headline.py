"""Which numbers of a judged benchmark may be shown, and under which names. A gate: it changes nothing that was made.

A mean over the judgements that happened to succeed is another benchmark, so it is withheld while any is missing.
"""

import hashlib
import json
import re
from typing import Any

import pyarrow.parquet as pq

from pipeline.benchmarks.known import OVERALL
from pipeline.config.experiment import LimitsConfig
from pipeline.evaluation.judge.numbers import main_metric
from pipeline.evaluation.judge.protocols import Judging, Wording
from pipeline.store.manifest import Manifest, Summary


class JudgementsSummary(Summary):
    """Counts and names of some judgements; no number that may have to be withheld."""

    benchmark: str
    label: str
    """See ``judge_label``."""
    judge_model: str
    served_models: tuple[str, ...]
    prompt_sha256: str
    num_items: int
    num_repeats: int
    num_judgements: int
    num_failed: int
    failures: dict[str, int]
    """By status."""
    num_parsers_differ: int
    num_input_tokens: int
    num_output_tokens: int


def judge_label(config: Judging, *, prompt_sha256: str) -> str:
    """Protocol, model and eight digits of all that decides a judge's replies: one column of numbers has one label."""
    asked = json.dumps([config.model, config.sampling, prompt_sha256], sort_keys=True)
    model = re.sub(r"[^\w.-]+", "_", config.model)
    return f"{config.protocol}.{model}.{hashlib.sha256(asked.encode()).hexdigest()[:8]}"


def read_judge_scores(judgements: Manifest) -> list[dict[str, Any]]:
    """All numbers of a ``judgements`` artifact, also those that are to be withheld."""
    rows: list[dict[str, Any]] = pq.read_table(judgements.path("judge_scores.parquet")).to_pylist()
    return rows


def judgements_withheld_because(judgements: Manifest, limits: LimitsConfig) -> str | None:
    """Why the clean numbers may not be shown; None when they may."""
    summary = JudgementsSummary.of(judgements)
    served = summary.served_models
    if len(served) > 1:
        return (
            f"{summary.benchmark}: the replies came from {len(served)} models ({', '.join(served)}), so they are "
            f"not one judge's. Name one of them in evaluation.judge.model instead of {summary.judge_model}"
        )
    num_failed = summary.num_failed
    if num_failed <= limits.max_judge_failures:
        return None
    kinds = ", ".join(f"{count} {kind}" for kind, count in summary.failures.items())
    return (
        f"{summary.benchmark}: {num_failed} of {summary.num_judgements} judgements failed ({kinds}), so its "
        "numbers are withheld. `llava-jp query failed_judgements` shows the replies; evaluation.judge.attempts asks "
        f"more often, and limits.max_judge_failures={num_failed} shows the numbers without the failed ones"
    )


def shown_judge_scores(judgements: Manifest, limits: LimitsConfig) -> list[dict[str, Any]]:
    """Rows to print: variant, metric, value, interval, counts, spread. Withheld numbers are None."""
    is_withheld = judgements_withheld_because(judgements, limits) is not None
    hidden = dict.fromkeys(("value", "low", "high", "repeat_deviation", "repeat_lowest", "repeat_highest"))
    shown = []
    for row in read_judge_scores(judgements):
        row = {key: value for key, value in row.items() if key not in ("benchmark", "judge_model", "prompt_sha256")}
        shown.append({**row, **hidden} if is_withheld and row["variant"] == "clean" else row)
    return shown


def group_of(name: str, wording: Wording) -> dict[str, str]:
    """Metric, breakdown and group of a number: ``image_category/NAME`` is the main number of a group of items."""
    breakdown, has_group, group = name.partition("/")
    if not has_group:
        return {"metric": name, "breakdown": OVERALL, "group": OVERALL}
    return {"metric": main_metric(wording), "breakdown": breakdown, "group": group}


def judge_metrics(judgements: Manifest, limits: LimitsConfig) -> dict[str, float]:
    """Numbers by ``benchmark/label/metric`` for the comparison of runs; the official variant has names of its own."""
    summary = JudgementsSummary.of(judgements)
    start = f"{summary.benchmark}/{summary.label}"
    metrics = {f"{start}/num_failed": float(summary.num_failed)}
    for row in shown_judge_scores(judgements, limits):
        name = row["metric"] if row["variant"] == "clean" else f"{row['variant']}/{row['metric']}"
        if row["value"] is not None:
            metrics[f"{start}/{name}"] = row["value"]
        if row["repeat_deviation"] is not None:
            metrics[f"{start}/{name}/repeat_deviation"] = row["repeat_deviation"]
    return metrics
