"""A model's answers to the benchmarks, and their scores."""

import logging

from prefect import flow

from flows.cache_features import cache_features
from flows.judge import judge_answers
from flows.prepare_data import PreparedData, prepare_data
from flows.runs import ExperimentRun, experiment_run
from flows.tasks import show_table, show_text
from flows.train import register, train
from pipeline.comparison_scores import ComparedExperiment, OtherScores
from pipeline.config import ExperimentConfig, ExperimentName
from pipeline.judging.protocol import is_judged
from pipeline.manifest import Manifest
from pipeline.predictions import predict
from pipeline.scores import headline_metrics, score_predictions, score_rows, withheld_because

log = logging.getLogger(__name__)


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
    evaluation, limits = run.config.evaluation, run.config.limits
    datasets, answers, scored = [], [], []
    judged: list[OtherScores] = []
    for benchmark in evaluation.benchmarks:
        items = data.benchmarks[benchmark.name]
        answer = run.task(f"predictions/{benchmark.label}", predict, on_device=True)
        predictions = answer(
            benchmark,
            evaluation.generation_for(benchmark),
            batch_size=evaluation.batch_size,
            dataset=items,
            model=model,
            store=run.store,
        )
        score = run.task(f"scores/{benchmark.label}", score_predictions)
        scores = score(benchmark, predictions=predictions, store=run.store)
        _show(run, benchmark.label, scores, max_failed_items=limits.max_failed_items)
        datasets.append(items)
        answers.append(predictions)
        scored.append(scores)
    for benchmark, items, predictions in zip(evaluation.benchmarks, datasets, answers, strict=True):
        if is_judged(benchmark, evaluation.judge):  # after all others: a judge may be away
            judged += judge_answers(run, benchmark, dataset=items, predictions=predictions)
    register(run, model)
    return ComparedExperiment(
        run.config.name,
        tuple(answers),
        tuple(scored),
        tuple(datasets),
        max_failed_items=limits.max_failed_items,
        other_scores=tuple(judged),
    )


def _show(run: ExperimentRun, label: str, scores: Manifest, *, max_failed_items: int) -> None:
    """The numbers of one benchmark in Prefect and MLflow, unless they are withheld."""
    if reason := withheld_because(scores, max_failed_items=max_failed_items):
        log.warning("%s: %s", run.config.name, reason)
        show_text(f"scores-{label}", reason)
        return
    run.tracked.log_metrics(headline_metrics(scores))
    show_table(f"scores-{label}", score_rows(scores), description=f"{run.config.name}: {label}")
