"""Images to cached features, each image encoded once."""

from prefect import flow

from flows.prepare_data import PreparedData, prepare_data
from flows.runs import ExperimentRun, experiment_run
from pipeline.config import ExperimentConfig, ExperimentName
from pipeline.features import cache_features as cache_features_step
from pipeline.manifest import Manifest


@flow(name="cache-features")
def cache_features_flow(experiment: ExperimentName | ExperimentConfig = ExperimentName.SMOKE) -> None:
    """Encode the images of an experiment.

    Args:
        experiment: a file in pipeline/experiments, or a whole experiment.
    """
    with experiment_run(experiment) as run:
        cache_features(run, prepare_data(run))


def cache_features(run: ExperimentRun, data: PreparedData) -> Manifest:
    """The vision tower's features of every image of both datasets."""
    cache = run.task("features", cache_features_step, on_device=True)
    return cache(run.config.vision_tower, run.config.features, datasets=data.datasets, store=run.store)
