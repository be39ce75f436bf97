"""Datasets in one form, their translations checked, and what they share with the benchmarks."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from prefect import flow

from flows.runtime.run import ExperimentRun, MeasuringRun, experiment_run
from flows.runtime.tasks import as_task, show_table
from pipeline.config.experiment import DatasetSource, ExperimentConfig, ExperimentName, PublishedSource
from pipeline.data.contamination import (
    contamination_line,
    contamination_rows,
    find_contamination,
    require_uncontaminated,
)
from pipeline.data.download.datasets import fetch_datasets, plan_download
from pipeline.data.prepare import prepare_dataset, require_complete
from pipeline.data.translation_checks import check_translations, require_acceptable
from pipeline.data.translation_report import AcceptedSummary, counts_line, report_of
from pipeline.store.manifest import Manifest

log = logging.getLogger(__name__)

ROLES = ("pretrain", "finetune")
FETCH_RETRIES = 2
"""After the client's own, when a server was away for longer."""


@dataclass(frozen=True)
class PreparedData:
    """The training data of both stages with the accepted samples, and the benchmarks by name."""

    datasets: dict[str, Manifest]
    accepted: dict[str, Manifest]
    benchmarks: dict[str, Manifest]


@flow(name="prepare-data")
def prepare_data_flow(experiment: ExperimentName | ExperimentConfig = ExperimentName.SMOKE) -> None:
    """Make the datasets of an experiment ready and check their translations.

    Args:
        experiment: a file in pipeline/experiments, or a whole experiment.
    """
    with experiment_run(experiment) as run:
        prepare_data(run)


def prepare_data(run: ExperimentRun) -> PreparedData:
    """Prepare and check everything; stop when too many samples are rejected or a benchmark is not complete."""
    config = run.config
    sources = {role: getattr(config.datasets, role) for role in ROLES}
    sources |= {benchmark.name: benchmark.source for benchmark in config.evaluation.benchmarks}
    prepared = _prepare(run, sources)
    datasets = {role: prepared.pop(role) for role in ROLES}
    for name, benchmark in prepared.items():
        require_complete(benchmark, name=name)
    accepted = _check_translations(run, datasets)
    if prepared:
        uncontaminated = _find_contamination(run, datasets, accepted, prepared)
        if config.contamination.exclude:
            accepted = uncontaminated
    return PreparedData(datasets, accepted, prepared)


def prepare_benchmarks(run: MeasuringRun) -> dict[str, Manifest]:
    """The datasets of the benchmarks alone, by name; stop when one is not complete."""
    prepared = _prepare(run, {benchmark.name: benchmark.source for benchmark in run.config.evaluation.benchmarks})
    for name, benchmark in prepared.items():
        require_complete(benchmark, name=name)
    return prepared


def _prepare(run: MeasuringRun, sources: Mapping[str, DatasetSource]) -> dict[str, Manifest]:
    _fetch(run, sources)
    return {
        name: run.task(f"dataset/{name}", prepare_dataset)(source, store=run.store) for name, source in sources.items()
    }


def _fetch(run: MeasuringRun, sources: Mapping[str, DatasetSource]) -> None:
    """Fetch what the published datasets that are not prepared yet consist of; say first what it takes."""
    missing = [
        source.name
        for role, source in sources.items()
        if isinstance(source, PublishedSource) and not run.store.find(run.plan[f"dataset/{role}"].request)
    ]
    if plan := plan_download(missing, root=run.store.root):
        show_table("download", plan.rows(), description="\n\n".join(plan.notes()))
        for row in plan.rows():
            log.info("%s", ", ".join(f"{name}: {value}" for name, value in row.items() if value))
        for note in plan.notes():
            log.info("%s", note)
        as_task(fetch_datasets, name="fetch", retries=FETCH_RETRIES)(missing, root=run.store.root)


def _check_translations(run: ExperimentRun, datasets: dict[str, Manifest]) -> dict[str, Manifest]:
    accepted = {}
    for role, dataset in datasets.items():
        check = run.task(f"translation/{role}", check_translations)
        accepted[role] = check(run.config.translation, dataset=dataset, store=run.store)
        checks, examples = report_of(accepted[role])
        log.info("dataset/%s, %s", role, counts_line(dataset, accepted[role]))
        show_table(f"translation-{role}", checks, description=f"Checks of {role}")
        show_table(f"translation-examples-{role}", examples, description=f"Examples of findings in {role}")
    show_table("samples", [_counts(role, datasets[role], accepted[role]) for role in ROLES], description="Samples")
    for role, dataset in datasets.items():
        limit = run.config.limits.max_rejected_fraction
        require_acceptable(dataset, accepted[role], name=role, max_rejected_fraction=limit)
    return accepted


def _find_contamination(
    run: ExperimentRun, datasets: dict[str, Manifest], accepted: dict[str, Manifest], benchmarks: dict[str, Manifest]
) -> dict[str, Manifest]:
    found = {}
    for role, dataset in datasets.items():
        find = run.task(f"contamination/{role}", find_contamination)
        found[role] = find(
            run.config.contamination,
            dataset=dataset,
            accepted=accepted[role],
            benchmarks=benchmarks,
            store=run.store,
        )
    for role, manifest in found.items():
        log.info("dataset/%s, %s", role, contamination_line(manifest, is_excluded=run.config.contamination.exclude))
    if run.config.contamination.exclude:
        require_uncontaminated(found)
    rows = [row for role in ROLES for row in contamination_rows(role, found[role])]
    show_table("contamination", rows, description="Training images that are benchmark images as well")
    return found


def _counts(role: str, dataset: Manifest, accepted: Manifest) -> dict[str, object]:
    prepared = {key: value for key, value in dataset.summary.items() if key.startswith("num_")}
    return {"dataset": role, **prepared, "num_accepted": AcceptedSummary.of(accepted).num_accepted}
