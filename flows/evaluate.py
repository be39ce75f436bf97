"""A model's answers to the benchmarks, their scores, and a judge's opinion of them."""

from prefect import flow

from flows.cache_features import cache_features
from flows.prepare_data import prepare_data
from flows.runtime.run import Run, experiment_run
from flows.train import register, train
from pipeline.config.experiment import SMOKE, ExperimentConfig, ExperimentName


@flow(name="evaluate")
def evaluate_flow(experiment: ExperimentName | ExperimentConfig = SMOKE) -> None:
    """Measure the model of an experiment; earlier steps that are missing run first.

    Args:
        experiment: a file in pipeline/experiments, or a whole experiment.
    """
    with experiment_run(experiment) as run:
        prepare_data(run)
        cache_features(run)
        train(run)
        evaluate(run)


def evaluate(run: Run) -> None:
    """Answers, scores and judgements for every benchmark; a trained model gets them in MLflow's registry too."""
    run.make("evaluate")
    register(run)
