"""Start reading here: all steps of one experiment, in order."""

from prefect import flow

from flows.cache_features import cache_features
from flows.compare import compare
from flows.evaluate import evaluate
from flows.prepare_data import prepare_data
from flows.runs import experiment_run
from flows.train import train
from pipeline.config import ExperimentConfig, ExperimentName


@flow(name="run-experiment")
def run_experiment(experiment: ExperimentName | ExperimentConfig = ExperimentName.SMOKE) -> None:
    """Everything from the data to the scores. What is already done is not done again.

    Args:
        experiment: a file in pipeline/experiments, or a whole experiment.
    """
    with experiment_run(experiment) as run:
        data = prepare_data(run)
        features = cache_features(run, data)
        model = train(run, data, features)
        evaluated = evaluate(run, data, model)
        if evaluated.scores:
            compare([evaluated], run.tracked, store=run.store)
