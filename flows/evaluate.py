"""A model's answers to the benchmarks, and their scores."""

from prefect import flow

from flows.cache_features import cache_features
from flows.prepare_data import PreparedData, prepare_data
from flows.runs import ExperimentRun, experiment_run
from flows.tasks import show_table
from flows.train import register, train
from pipeline.comparison import ComparedExperiment
from pipeline.config import ExperimentConfig, ExperimentName
from pipeline.manifest import Manifest
from pipeline.predictions import predict
from pipeline.scores import headline_metrics, score_predictions, score_rows


@flow(name="evaluate")
def evaluate_flow(experiment: ExperimentName | ExperimentConfig = ExperimentName.SMOKE) -> None:
    """Measure the model of an experiment; earlier steps that are missing run first.

    Args:
        experiment: a file in pipeline/experiments, or a whole experiment.
    """
    with experiment_run(experiment) as run:
        data = prepare_data(run)
        evaluate(run, data, train(run, data, cache_features(run, data)))


def evaluate(run: ExperimentRun, data: PreparedData, model: Manifest) -> ComparedExperiment:
    """Answers and scores for every benchmark of the experiment; the scores go to MLflow's model registry too."""
    evaluation = run.config.evaluation
    datasets, answers, scored = [], [], []
    for benchmark in evaluation.benchmarks:
        items = data.benchmarks[benchmark.name]
        answer = run.task(f"predictions/{benchmark.name}", predict, on_device=True)
        predictions = answer(
            benchmark,
            evaluation.generation,
            batch_size=evaluation.batch_size,
            dataset=items,
            model=model,
            store=run.store,
        )
        score = run.task(f"scores/{benchmark.name}", score_predictions)
        scores = score(benchmark, predictions=predictions, store=run.store)
        run.tracked.log_metrics(headline_metrics(scores))
        show_table(f"scores-{benchmark.name}", score_rows(scores), description=f"{run.config.name}: {benchmark.name}")
        datasets.append(items)
        answers.append(predictions)
        scored.append(scores)
    register(run, model)
    return ComparedExperiment(run.config.name, tuple(answers), tuple(scored), tuple(datasets))
