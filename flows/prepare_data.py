"""Datasets in one form, and their translations checked."""

from dataclasses import dataclass

from prefect import flow

from flows.runs import ExperimentRun, experiment_run
from flows.tasks import show_table
from pipeline.config import ExperimentConfig, ExperimentName
from pipeline.manifest import Manifest
from pipeline.preparation import prepare_dataset
from pipeline.translation import check_translations, require_acceptable

ROLES = ("pretrain", "finetune")


@dataclass(frozen=True)
class PreparedData:
    """The training data of both stages."""

    datasets: dict[str, Manifest]
    accepted: dict[str, Manifest]


@flow(name="prepare-data")
def prepare_data_flow(experiment: ExperimentName | ExperimentConfig = ExperimentName.SMOKE) -> None:
    """Make the datasets of an experiment ready and check their translations.

    Args:
        experiment: a file in pipeline/experiments, or a whole experiment.
    """
    with experiment_run(experiment) as run:
        prepare_data(run)


def prepare_data(run: ExperimentRun) -> PreparedData:
    """Prepare and check both datasets; stop when too many samples are rejected."""
    config = run.config
    datasets, accepted = {}, {}
    for role in ROLES:
        prepare = run.task(f"dataset/{role}", prepare_dataset)
        datasets[role] = prepare(getattr(config.datasets, role), store=run.store)
        check = run.task(f"translation/{role}", check_translations)
        accepted[role] = check(config.translation, dataset=datasets[role], store=run.store)
    show_table("samples", [_counts(role, datasets[role], accepted[role]) for role in ROLES], description="Samples")
    for role in ROLES:
        limit = config.limits.max_rejected_fraction
        require_acceptable(datasets[role], accepted[role], max_rejected_fraction=limit)
    return PreparedData(datasets, accepted)


def _counts(role: str, dataset: Manifest, accepted: Manifest) -> dict[str, object]:
    prepared = {key: value for key, value in dataset.summary.items() if key.startswith("num_")}
    return {"dataset": role, **prepared, "num_accepted": accepted.summary["num_accepted"]}
