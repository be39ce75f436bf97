"""A model's answers to the benchmarks, and their scores."""

import logging
from collections.abc import Callable, Iterator, Mapping

from prefect import flow

from flows.cache_features import cache_features
from flows.prepare_data import PreparedData, prepare_data
from flows.runtime.run import ExperimentRun, MeasuringRun, experiment_run
from flows.runtime.tasks import show_table, show_text
from flows.train import register, train
from pipeline.comparison.judged import compared_scores
from pipeline.comparison.scores import ComparedExperiment, OtherScores
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.config.experiment import ExperimentConfig, ExperimentName
from pipeline.evaluation.judge.headline import judge_metrics, judgements_withheld_because, shown_judge_scores
from pipeline.evaluation.judge.prompt import is_judged
from pipeline.evaluation.judge.replies import Answered
from pipeline.evaluation.judge.rows import JudgedItem
from pipeline.evaluation.judge.step import judge as judge_step
from pipeline.evaluation.judge.traces import trace_of
from pipeline.evaluation.predict import predict
from pipeline.evaluation.scores import headline_metrics, score_predictions, score_rows, scores_withheld_because
from pipeline.store.manifest import Manifest

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

    def answer(benchmark: BenchmarkConfig, dataset: Manifest) -> Manifest:
        predict_task = run.task(f"predictions/{benchmark.label}", predict, on_device=True)
        return predict_task(
            benchmark,
            run.config.evaluation.generation_for(benchmark),
            batch_size=run.config.evaluation.batch_size,
            dataset=dataset,
            model=model,
            store=run.store,
        )

    measured = measure(run, data.benchmarks, answer)
    register(run, model)
    return measured


def measure(
    run: MeasuringRun, datasets: Mapping[str, Manifest], answer: Callable[[BenchmarkConfig, Manifest], Manifest]
) -> ComparedExperiment:
    """Answers by ``answer``, scores and judgements for every benchmark, in Prefect and MLflow.

    Args:
        run: with the benchmarks.
        datasets: the benchmarks' datasets by name.
        answer: makes the answers to a benchmark with its dataset.
    """
    evaluation, limits = run.config.evaluation, run.config.limits
    answers, scored = [], []
    judged: list[OtherScores] = []
    for benchmark in evaluation.benchmarks:
        predictions = answer(benchmark, datasets[benchmark.name])
        score = run.task(f"scores/{benchmark.label}", score_predictions)
        scores = score(benchmark, predictions=predictions, store=run.store)
        _show(run, benchmark.label, scores, max_failed_items=limits.max_failed_items)
        answers.append(predictions)
        scored.append(scores)
    for benchmark, predictions in zip(evaluation.benchmarks, answers, strict=True):
        if is_judged(benchmark, evaluation.judge):  # after all others: a judge may be away
            judged += judge_answers(run, benchmark, dataset=datasets[benchmark.name], predictions=predictions)
    return ComparedExperiment(
        run.config.name,
        tuple(answers),
        tuple(scored),
        tuple(datasets[benchmark.name] for benchmark in evaluation.benchmarks),
        max_failed_items=limits.max_failed_items,
        other_scores=tuple(judged),
    )


def _show(run: MeasuringRun, label: str, scores: Manifest, *, max_failed_items: int) -> None:
    """The numbers of one benchmark in Prefect and MLflow, unless they are withheld."""
    if reason := scores_withheld_because(scores, max_failed_items=max_failed_items):
        log.warning("%s: %s", run.config.name, reason)
        show_text(f"scores-{label}", reason)
        return
    run.tracked.log_metrics(headline_metrics(scores))
    show_table(f"scores-{label}", score_rows(scores), description=f"{run.config.name}: {label}")


def judge_answers(
    run: MeasuringRun, benchmark: BenchmarkConfig, *, dataset: Manifest, predictions: Manifest
) -> Iterator[OtherScores]:
    """Judge, show and track; gives the numbers for a comparison, nothing when there is no judge."""
    role = f"judgements/{benchmark.label}"
    config, limits = run.config.evaluation.judge, run.config.limits
    if run.judge is None and not run.store.is_whole(run.plan[role].request):
        skipped = (
            f"{benchmark.label} is not judged: no judge is configured. Set OPENAI_API_KEY (and OPENAI_BASE_URL for "
            f"another endpoint) and run {run.config.name} again: the answers are kept, and {config.model} judges them"
        )
        log.warning("%s", skipped)
        show_text(role, skipped)
        return

    def trace(item: JudgedItem, answered: Answered) -> None:
        run.tracked.log_trace(trace_of(item, answered, label=f"{config.protocol}.{config.model}"))

    judgements = run.task(role, judge_step)(
        config,
        benchmark=benchmark.name,
        dataset=dataset,
        predictions=predictions,
        judge=run.judge,
        store=run.store,
        max_failures=limits.max_judge_failures,
        on_reply=trace,
    )
    _show_judgements(run, role, judgements)
    yield compared_scores(judgements, limits)


def _show_judgements(run: MeasuringRun, role: str, judgements: Manifest) -> None:
    summary, limits = judgements.summary, run.config.limits
    names = ("label", "judge_model", "prompt_sha256")
    run.tracked.log_parameters({role: {name: summary[name] for name in names}})
    run.tracked.log_metrics(judge_metrics(judgements, limits))
    if reason := judgements_withheld_because(judgements, limits):
        log.warning("%s: %s", run.config.name, reason)
        show_text(f"{role}-withheld", reason)
    rows = shown_judge_scores(judgements, limits)
    show_table(role, rows, description=f"{run.config.name}: {summary['benchmark']}, {summary['label']}")
