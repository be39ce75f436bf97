"""Images to cached features, each image encoded once."""

from prefect import flow

from flows.prepare_data import prepare_data
from flows.runtime.run import Run, experiment_run
from pipeline.config.experiment import SMOKE, ExperimentConfig, ExperimentName


@flow(name="cache-features")
def cache_features_flow(experiment: ExperimentName | ExperimentConfig = SMOKE) -> None:
    """Encode the images of an experiment; earlier steps that are missing run first.

    Args:
        experiment: a file in pipeline/experiments, or a whole experiment.
    """
    with experiment_run(experiment) as run:
        prepare_data(run)
        cache_features(run)


def cache_features(run: Run) -> None:
    """The vision tower's features of every image of both datasets; stop when too many images have none."""
    run.make("cache_features")
