"""A judge's opinion of the answers to one benchmark, in Prefect and MLflow. Without a judge that part is left out."""

import logging
from collections.abc import Iterator

from flows.runs import MeasuringRun
from flows.tasks import show_table, show_text
from pipeline.comparison_scores import OtherScores
from pipeline.evaluation_config import BenchmarkConfig
from pipeline.judging.compared import compared_scores
from pipeline.judging.headline import judge_metrics, shown_judge_scores, withheld_because
from pipeline.judging.items import JudgedItem
from pipeline.judging.judgements import judge as judge_step
from pipeline.judging.replies import Answered
from pipeline.judging.traces import trace_of
from pipeline.manifest import Manifest

log = logging.getLogger(__name__)


def judge_answers(
    run: MeasuringRun, benchmark: BenchmarkConfig, *, dataset: Manifest, predictions: Manifest
) -> Iterator[OtherScores]:
    """Judge, show and track; gives the numbers for a comparison, nothing when there is no judge."""
    role = f"judgements/{benchmark.label}"
    config, limits = run.config.evaluation.judge, run.config.limits
    if run.judge is None and not run.store.is_whole(run.plan[role].request):
        skipped = (
            f"{benchmark.label} is not judged: no judge is configured. Set OPENAI_API_KEY (and OPENAI_BASE_URL for "
            f"another endpoint) and run {run.config.name} again: the answers are kept, and {config.model} judges them"
        )
        log.warning("%s", skipped)
        show_text(role, skipped)
        return

    def trace(item: JudgedItem, answered: Answered) -> None:
        run.tracked.log_trace(trace_of(item, answered, label=f"{config.protocol}.{config.model}"))

    judgements = run.task(role, judge_step)(
        config,
        benchmark=benchmark.name,
        dataset=dataset,
        predictions=predictions,
        judge=run.judge,
        store=run.store,
        max_failures=limits.max_judge_failures,
        on_reply=trace,
    )
    _show(run, role, judgements)
    yield compared_scores(judgements, limits)


def _show(run: MeasuringRun, role: str, judgements: Manifest) -> None:
    summary, limits = judgements.summary, run.config.limits
    names = ("label", "judge_model", "prompt_sha256")
    run.tracked.log_parameters({role: {name: summary[name] for name in names}})
    run.tracked.log_metrics(judge_metrics(judgements, limits))
    if reason := withheld_because(judgements, limits):
        log.warning("%s: %s", run.config.name, reason)
        show_text(f"{role}-withheld", reason)
    rows = shown_judge_scores(judgements, limits)
    show_table(role, rows, description=f"{run.config.name}: {summary['benchmark']}, {summary['label']}")
