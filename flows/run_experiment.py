"""Start reading here: all steps of one experiment, in order."""

from prefect import flow

from flows.cache_features import cache_features
from flows.compare import compare
from flows.evaluate import evaluate
from flows.prepare_data import prepare_data
from flows.runtime.run import experiment_run
from flows.train import train
from pipeline.config.experiment import SMOKE, ExperimentConfig, ExperimentName
from pipeline.store.manifest import Manifest


@flow(name="run-experiment")
def run_experiment(experiment: ExperimentName | ExperimentConfig = SMOKE) -> Manifest | None:
    """Everything from the data to the scores. What is already done is not done again.

    Args:
        experiment: a file in pipeline/experiments, or a whole experiment.

    Returns:
        The scores as they are shown: the comparison with nothing else; None without benchmarks.
    """
    with experiment_run(experiment) as run:
        prepare_data(run)
        cache_features(run)
        train(run)
        evaluate(run)
        return compare(run)
