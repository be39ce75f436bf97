"""Datasets in one form, their translations checked, and what they share with the benchmarks."""

import logging

from prefect import flow

from flows.runtime.run import Run, experiment_run
from flows.runtime.tasks import as_task, show_table
from pipeline.config.experiment import SMOKE, ExperimentConfig, ExperimentName
from pipeline.data.download.datasets import fetch_datasets, plan_download

log = logging.getLogger(__name__)

FETCH_RETRIES = 2
"""After the client's own, when a server was away for longer."""


@flow(name="prepare-data")
def prepare_data_flow(experiment: ExperimentName | ExperimentConfig = SMOKE) -> None:
    """Make the datasets of an experiment ready and check their translations.

    Args:
        experiment: a file in pipeline/experiments, or a whole experiment.
    """
    with experiment_run(experiment) as run:
        prepare_data(run)


def prepare_data(run: Run) -> None:
    """Prepare and check everything; stop when too many samples are rejected or a benchmark is not complete."""
    _fetch(run)
    run.make("prepare_data")


def _fetch(run: Run) -> None:
    """Fetch what the published datasets that are not prepared yet consist of; say first what it takes."""
    missing = [name for step in run.plan if not run.store.find(step.request) for name in step.fetches]
    if plan := plan_download(missing, root=run.store.root):
        show_table("download", plan.rows(), description="\n\n".join(plan.notes()))
        for row in plan.rows():
            log.info("%s", ", ".join(f"{name}: {value}" for name, value in row.items() if value))
        for note in plan.notes():
            log.info("%s", note)
        as_task(fetch_datasets, name="fetch", retries=FETCH_RETRIES)(missing, root=run.store.root)
