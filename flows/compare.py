"""Experiments side by side: table, radar chart, sample answers."""

import logging
from collections.abc import Sequence

from prefect import flow

from flows.runtime.logs import set_log_levels
from flows.runtime.run import Run, prefect_tags, resolve
from flows.runtime.tasks import as_task, show_chart, show_markdown, show_table
from pipeline.comparison.sample_sheet import sheet_table
from pipeline.comparison.scores import ComparedExperiment
from pipeline.comparison.step import (
    CHART,
    article_table,
    comparison_metrics,
    difference_table,
    has_chart,
    power_table,
    score_table,
)
from pipeline.comparison.step import compare as compare_step
from pipeline.config.experiment import ExperimentConfig, ExperimentName
from pipeline.config.measured import MeasuredModel
from pipeline.core.censoring import without_secrets
from pipeline.core.disk import is_writable
from pipeline.core.settings import Settings, load_settings
from pipeline.planning.measured import measured_model
from pipeline.planning.plan import finished_evaluation, finished_experiment
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest
from pipeline.tracking.tracker import TrackedRun, Tracker

log = logging.getLogger(__name__)


@flow(name="compare")
def compare_flow(
    experiments: tuple[ExperimentName | ExperimentConfig | MeasuredModel, ...] = (
        ExperimentName("demo-v1.0"),
        ExperimentName("demo-v1.1"),
    ),
) -> Manifest:
    """Compare experiments that have been run and models that have been measured.

    Args:
        experiments: files in pipeline/experiments, whole experiments, or {measured: NAME} for a model that was measured
            under a name; the first is the one others are measured by.
    """
    set_log_levels()
    with without_secrets():
        return _compare_finished(experiments, load_settings())


def _compare_finished(
    experiments: Sequence[ExperimentName | ExperimentConfig | MeasuredModel], settings: Settings
) -> Manifest:
    store = ArtifactStore(settings.store_root)
    evaluated = [_evaluated(experiment, settings) for experiment in experiments]
    if not is_writable(store.root):  # what is compared already can be looked at all the same
        log.warning("%s cannot be written, so MLflow hears nothing of this comparison", store.root)
        return _compare(evaluated, None, store=store)
    with Tracker(settings).comparison_run([one.name for one in evaluated], tags=prefect_tags()) as tracked:
        return _compare(evaluated, tracked, store=store)


def _evaluated(experiment: ExperimentName | ExperimentConfig | MeasuredModel, settings: Settings) -> ComparedExperiment:
    if isinstance(experiment, MeasuredModel):
        return measured_model(experiment.measured, store=ArtifactStore(settings.store_root))
    return finished_experiment(resolve(experiment), settings)


def compare(run: Run) -> Manifest | None:
    """The scores of a run as they are shown: the comparison with nothing else; None without benchmarks."""
    config = run.config
    if not config.evaluation.benchmarks:
        return None
    evaluated = finished_evaluation(config.name, config.evaluation, config.limits, find=run.made.get, advice="")
    return _compare([evaluated], run.tracked, store=run.store)


def _compare(evaluated: Sequence[ComparedExperiment], tracked: TrackedRun | None, *, store: ArtifactStore) -> Manifest:
    """Make the comparison and show it in Prefect and MLflow."""
    comparison = as_task(compare_step, name="comparison")(evaluated, store=store)
    samples = sheet_table(comparison.path("samples.parquet"))
    if tracked:
        tracked.log_artifacts(comparison)
        tracked.log_metrics(comparison_metrics(comparison))
        tracked.log_samples(samples)
    title = " and ".join(one.name for one in evaluated)
    texts = [{column: value for column, value in row.items() if column != "image"} for row in samples]
    show_table("sample-answers", texts, description=f"Sample answers of {title}; with images in samples.html")
    if power := power_table(comparison):
        show_table("power", power, description=f"The smallest differences that the items of {title} can show")
    if scores := score_table(comparison):
        show_table("scores", scores, description=f"Scores of {title}")
    if article := article_table(comparison):
        show_table("article", article, description=f"The article's table with {title}")
    if differences := difference_table(comparison):
        show_table("differences", differences, description=f"Paired differences of {title}")
    if has_chart(comparison):
        show_chart("radar", comparison.path(CHART), description=f"Scores of {title}")
    show_markdown("report", comparison.path("report.md").read_text(encoding="utf-8"))
    return comparison
