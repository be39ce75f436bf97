"""Steps that measure a model: its answers to a benchmark, their scores, a judge's opinion."""

from functools import partial

from pipeline.config.evaluation import BenchmarkConfig, EvaluationConfig
from pipeline.config.experiment import (
    LimitsConfig,
)
from pipeline.config.identity import Identities
from pipeline.config.measured import ModelEvaluation
from pipeline.evaluation.judge.headline import (
    JudgementsSummary,
    judge_metrics,
    judgements_withheld_because,
    shown_judge_scores,
)
from pipeline.evaluation.judge.protocols import Judging
from pipeline.evaluation.judge.replies import Answered
from pipeline.evaluation.judge.rows import JudgedItem
from pipeline.evaluation.judge.step import judge, judge_request, needs_no_judge
from pipeline.evaluation.judge.traces import trace_of
from pipeline.evaluation.language_gate import LanguageGate
from pipeline.evaluation.measure import ModelToMeasure, predict_with
from pipeline.evaluation.predict import not_asked, predict, predictions_request
from pipeline.evaluation.rows import read_predictions
from pipeline.evaluation.scores import (
    headline_metrics,
    score_predictions,
    score_request,
    score_rows,
    scores_withheld_because,
)
from pipeline.planning.steps import Machine, Made, Report, Role, Step
from pipeline.store.manifest import Manifest

ANSWERS_SHOWN = 200
"""Answers in a run's table; all of them are in ``predictions.jsonl``."""


ANSWER_COLUMNS = ("item_id", "category", "question", "reference", "prediction", "error")


def predictions(evaluation: EvaluationConfig, benchmark: BenchmarkConfig, dataset: Step, model: Step) -> Step:
    """A trained model's answers to a benchmark."""
    generation, batch_size = evaluation.generation_for(benchmark), evaluation.batch_size

    def make(made: Made, machine: Machine) -> Manifest:
        return predict(
            benchmark,
            generation,
            batch_size=batch_size,
            dataset=made[dataset.role],
            model=made[model.role],
            store=machine.store,
            run_job=machine.share_answers,
        )

    request = predictions_request(
        benchmark,
        generation,
        batch_size=batch_size,
        dataset_fingerprint=dataset.fingerprint,
        model_fingerprint=model.fingerprint,
    )
    role = Role("predictions", benchmark.label)
    return Step(
        role,
        "evaluate",
        request,
        make,
        reads=(dataset.role, model.role),
        num_devices=_num_devices,
        report=partial(_answers, role, dataset.role, benchmark.name),
    )


def _num_devices(machine: Machine) -> int:
    return 0 if machine.cluster else machine.settings.num_processes


def measured_predictions(
    model: ModelToMeasure,
    evaluation: ModelEvaluation,
    benchmark: BenchmarkConfig,
    dataset: Step,
    *,
    identities: Identities,
) -> Step:
    """The answers of a model that no run has trained."""
    role = Role("predictions", benchmark.label)
    return Step(
        role,
        "evaluate",
        model.request(benchmark, evaluation, identities, dataset_fingerprint=dataset.fingerprint),
        lambda made, machine: predict_with(
            model,
            evaluation,
            benchmark,
            dataset=made[dataset.role],
            store=machine.store,
            run_job=machine.share_answers,
        ),
        reads=(dataset.role,),
        num_devices=lambda machine: _num_devices(machine) if model.checkpoint else int(model.is_on_device),
        report=partial(_answers, role, dataset.role, benchmark.name),
    )


def scores(benchmark: BenchmarkConfig, predictions: Step, *, limits: LimitsConfig, gate: LanguageGate | None) -> Step:
    """How good the answers are; withheld when too many items have none."""
    role = Role("scores", benchmark.label)

    def report(made: Made) -> Report:
        if reason := scores_withheld_because(made[role], max_failed_items=limits.max_failed_items):
            return Report(warning=reason)
        return Report(tables={"scores": score_rows(made[role])}, metrics=headline_metrics(made[role]))

    return Step(
        role,
        "evaluate",
        score_request(benchmark, gate, predictions_fingerprint=predictions.fingerprint),
        lambda made, machine: score_predictions(
            benchmark, predictions=made[predictions.role], store=machine.store, gate=gate
        ),
        reads=(predictions.role,),
        report=report,
    )


def judgements(
    config: Judging,
    benchmark: BenchmarkConfig,
    dataset: Step,
    predictions: Step,
    *,
    name: str,
    limits: LimitsConfig,
) -> Step:
    """A judge's opinion of the answers; ``name`` is that of the experiment."""
    role = Role("judgements", benchmark.label)

    def make(made: Made, machine: Machine) -> Manifest:
        def trace(item: JudgedItem, answered: Answered) -> None:
            machine.log_trace(trace_of(item, answered, label=f"{config.protocol}.{config.model}"))

        return judge(
            config,
            benchmark=benchmark.name,
            dataset=made[dataset.role],
            predictions=made[predictions.role],
            judge=machine.judge,
            store=machine.store,
            max_failures=limits.max_judge_failures,
            on_reply=trace,
        )

    def report(made: Made) -> Report:
        named = JudgementsSummary.of(made[role]).model_dump(include={"label", "judge_model", "prompt_sha256"})
        return Report(
            warning=judgements_withheld_because(made[role], limits) or "",
            tables={"judgements": shown_judge_scores(made[role], limits)},
            metrics=judge_metrics(made[role], limits),
            parameters={str(role): named},
        )

    def skipped_because(machine: Machine) -> str:
        made = {"dataset": machine.store.find(dataset.request), "predictions": machine.store.find(predictions.request)}
        can_go_on = machine.judge is not None or needs_no_judge(config, **made, store=machine.store)
        return "" if can_go_on else _no_judge(config, benchmark, name)

    request = judge_request(
        config, dataset_fingerprint=dataset.fingerprint, predictions_fingerprint=predictions.fingerprint
    )
    return Step(
        role,
        "evaluate",
        request,
        make,
        reads=(dataset.role, predictions.role),
        skipped_because=skipped_because,
        report=report,
    )


def _answers(role: Role, dataset: Role, benchmark: str, made: Made) -> Report:
    answers = read_predictions(made[role])[:ANSWERS_SHOWN]
    return Report(
        warning=not_asked(benchmark, made[dataset]) if dataset in made else "",
        tables={"answers": [{name: getattr(row, name) for name in ANSWER_COLUMNS} for row in answers]},
    )


def _no_judge(config: Judging, benchmark: BenchmarkConfig, name: str) -> str:
    return (
        f"{benchmark.label} is not judged: no judge is configured. Set OPENAI_API_KEY (and OPENAI_BASE_URL for another "
        f"endpoint) and run {name} again: the answers are kept, and {config.model} judges them"
    )
