"""The steps of an experiment with their fingerprints, known before anything runs."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.comparison.judged import compared_scores
from pipeline.comparison.scores import ComparedExperiment
from pipeline.config.evaluation import BenchmarkConfig, EvaluationConfig
from pipeline.config.experiment import ExperimentConfig, LimitsConfig
from pipeline.core.errors import ConfigError
from pipeline.core.files import write_text
from pipeline.data.contamination import contamination_request
from pipeline.data.prepare import prepare_request
from pipeline.data.translation_checks import translation_checks_request
from pipeline.evaluation.judge.prompt import is_judged
from pipeline.evaluation.judge.step import judge_request
from pipeline.evaluation.predict import predictions_request
from pipeline.evaluation.scores import score_request
from pipeline.features.step import calibration_request, features_request
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest, Request
from pipeline.training.step import stage_request


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step in its role, such as ``dataset/pretrain`` or ``scores/shapes-ja``."""

    role: str
    request: Request

    @property
    def fingerprint(self) -> str:
        return self.request.fingerprint


def plan_experiment(config: ExperimentConfig) -> tuple[PlannedStep, ...]:
    """All steps of an experiment, each after its inputs.

    Raises:
        DataError: a path of the experiment does not exist.
    """
    return tuple(_steps(config))


def _steps(config: ExperimentConfig) -> Iterator[PlannedStep]:
    sources = {"pretrain": config.datasets.pretrain, "finetune": config.datasets.finetune}
    datasets = {role: prepare_request(source) for role, source in sources.items()}
    accepted = {
        role: translation_checks_request(config.translation, dataset_fingerprint=request.fingerprint)
        for role, request in datasets.items()
    }
    benchmarks = {benchmark.name: prepare_request(benchmark.source) for benchmark in config.evaluation.benchmarks}
    for role, request in {**datasets, **benchmarks}.items():
        yield PlannedStep(f"dataset/{role}", request)
    for role, request in accepted.items():
        yield PlannedStep(f"translation/{role}", request)
    if benchmarks:
        contamination = {
            role: contamination_request(
                config.contamination,
                dataset=request.fingerprint,
                accepted=accepted[role].fingerprint,
                benchmarks={name: benchmark.fingerprint for name, benchmark in benchmarks.items()},
            )
            for role, request in datasets.items()
        }
        for role, request in contamination.items():
            yield PlannedStep(f"contamination/{role}", request)
        if config.contamination.exclude:
            accepted = contamination
    features = {}
    for step in _feature_steps(config, datasets):
        yield step
        features[step.role.removeprefix("features/")] = step.fingerprint
    inputs = {
        role: {
            "dataset": datasets[role].fingerprint,
            "accepted": accepted[role].fingerprint,
            "features": features[role],
        }
        for role in datasets
    }
    pretrain = stage_request("pretrain", config.pretrain, config.llm, inputs=inputs["pretrain"])
    yield PlannedStep("pretrain", pretrain)
    with_projector = {**inputs["finetune"], "projector": pretrain.fingerprint}
    finetune = stage_request("finetune", config.finetune, config.llm, inputs=with_projector)
    yield PlannedStep("finetune", finetune)
    evaluation = config.evaluation
    yield from measuring_steps(
        evaluation,
        lambda benchmark, dataset: predictions_request(
            benchmark,
            evaluation.generation_for(benchmark),
            batch_size=evaluation.batch_size,
            dataset_fingerprint=dataset.fingerprint,
            model_fingerprint=finetune.fingerprint,
        ),
    )


def _feature_steps(config: ExperimentConfig, datasets: Mapping[str, Request]) -> Iterator[PlannedStep]:
    tower, calibration = config.vision_tower, None
    if config.features.form == "int8":
        calibrated = calibration_request(tower, config.features, dataset_fingerprint=datasets["pretrain"].fingerprint)
        yield PlannedStep("calibration", calibrated)
        calibration = calibrated.fingerprint
    for role, dataset in datasets.items():
        features = features_request(
            tower, config.features, dataset_fingerprint=dataset.fingerprint, calibration_fingerprint=calibration
        )
        yield PlannedStep(f"features/{role}", features)


def measuring_steps(
    evaluation: EvaluationConfig, answers: Callable[[BenchmarkConfig, Request], Request]
) -> Iterator[PlannedStep]:
    """Predictions, scores and judgements of every benchmark; ``answers`` says what is asked of a model."""
    for benchmark in evaluation.benchmarks:
        items = prepare_request(benchmark.source)
        predictions = answers(benchmark, items)
        yield PlannedStep(f"predictions/{benchmark.label}", predictions)
        scores = score_request(benchmark, predictions_fingerprint=predictions.fingerprint)
        yield PlannedStep(f"scores/{benchmark.label}", scores)
        if is_judged(benchmark, evaluation.judge):
            judgements = judge_request(
                evaluation.judge,
                dataset_fingerprint=items.fingerprint,
                predictions_fingerprint=predictions.fingerprint,
            )
            yield PlannedStep(f"judgements/{benchmark.label}", judgements)


def evaluated_experiment(config: ExperimentConfig, *, store: ArtifactStore) -> ComparedExperiment:
    """The finished evaluation of an experiment, for a comparison. A judge's opinion may be missing.

    Raises:
        ConfigError: some of it is still to do.
    """
    plan = {step.role: step for step in plan_experiment(config)}
    return finished_evaluation(
        config.name,
        config.evaluation,
        config.limits,
        find=lambda role: store.find(plan[role].request) if role in plan else None,
        advice=f"`llava-jp run {config.name}` does it",
    )


def finished_evaluation(
    name: str,
    evaluation: EvaluationConfig,
    limits: LimitsConfig,
    *,
    find: Callable[[str], Manifest | None],
    advice: str,
) -> ComparedExperiment:
    """What was measured under a name; ``find`` gives the artifact of a role, ``advice`` says how to make it.

    Raises:
        ConfigError: some of it is still to do.
    """

    def finished(role: str) -> Manifest:
        if (manifest := find(role)) is None:
            raise ConfigError(f"{name} has not been evaluated on {role.partition('/')[2]} yet; {advice}")
        return manifest

    benchmarks = evaluation.benchmarks
    judged = [find(f"judgements/{benchmark.label}") for benchmark in benchmarks]
    return ComparedExperiment(
        name,
        tuple(finished(f"predictions/{benchmark.label}") for benchmark in benchmarks),
        tuple(finished(f"scores/{benchmark.label}") for benchmark in benchmarks),
        tuple(finished(f"dataset/{benchmark.name}") for benchmark in benchmarks),
        max_failed_items=limits.max_failed_items,
        other_scores=tuple(compared_scores(manifest, limits) for manifest in judged if manifest is not None),
    )


def write_index(config: ExperimentConfig, *, store_root: Path) -> None:
    """Note which artifacts belong to the experiment, for queries: ``experiments/<name>.json`` in the store."""
    write_steps(config.name, plan_experiment(config), store_root=store_root)


def write_steps(name: str, plan: Sequence[PlannedStep], *, store_root: Path) -> None:
    """Note which artifacts belong together under a name."""
    steps = [{"role": step.role, "step": step.request.step, "fingerprint": step.fingerprint} for step in plan]
    folder = store_root / "experiments"
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{name}.json", json.dumps({"experiment": name, "steps": steps}, indent=2))
