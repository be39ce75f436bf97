"""Images to cached features, each image encoded once."""

from prefect import flow

from flows.prepare_data import ROLES, PreparedData, prepare_data
from flows.runtime.run import ExperimentRun, experiment_run
from flows.runtime.tasks import show_table
from pipeline.config.experiment import SMOKE, ExperimentConfig, ExperimentName
from pipeline.features.step import cache_features as cache_features_step
from pipeline.features.step import calibrate_features, feature_counts, on_this_machine, require_features
from pipeline.store.manifest import Manifest


@flow(name="cache-features")
def cache_features_flow(experiment: ExperimentName | ExperimentConfig = SMOKE) -> None:
    """Encode the images of an experiment.

    Args:
        experiment: a file in pipeline/experiments, or a whole experiment.
    """
    with experiment_run(experiment) as run:
        cache_features(run, prepare_data(run))


def cache_features(run: ExperimentRun, data: PreparedData) -> dict[str, Manifest]:
    """The vision tower's features of every image of both datasets, by role."""
    config = run.config
    calibration = _calibrate(run, data) if config.features.form == "int8" else None
    features = {}
    for role in ROLES:
        cache = run.task(f"features/{role}", cache_features_step, on_device=run.run_encoding is on_this_machine)
        features[role] = cache(
            config.vision_tower,
            config.features,
            dataset=data.datasets[role],
            calibration=calibration,
            store=run.store,
            run_job=run.run_encoding,
        )
        limit = config.limits.max_rejected_fraction
        require_features(features[role], name=role, max_failed_fraction=limit)
    rows = [{"dataset": role, **feature_counts(manifest)} for role, manifest in features.items()]
    show_table("features", rows, description=f"Features, {config.features.form}")
    return features


def _calibrate(run: ExperimentRun, data: PreparedData) -> Manifest:
    calibrate = run.task("calibration", calibrate_features, on_device=run.run_encoding is on_this_machine)
    dataset, store = data.datasets["pretrain"], run.store
    return calibrate(
        run.config.vision_tower, run.config.features, dataset=dataset, store=store, run_job=run.run_encoding
    )
