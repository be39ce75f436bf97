"""The steps of an experiment with their fingerprints, known before anything runs."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.comparison_scores import ComparedExperiment
from pipeline.config import ExperimentConfig
from pipeline.contamination import contamination_request
from pipeline.errors import ConfigError
from pipeline.features.caching import calibration_request, features_request
from pipeline.judging.compared import compared_scores
from pipeline.judging.judgements import judge_request
from pipeline.judging.protocol import is_judged
from pipeline.manifest import Manifest, Request
from pipeline.predictions import predictions_request
from pipeline.preparation import prepare_request
from pipeline.scores import score_request
from pipeline.store import ArtifactStore, write_text
from pipeline.training.stage import stage_request
from pipeline.translation import translation_request


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
        role: translation_request(config.translation, dataset_fingerprint=request.fingerprint)
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
    yield from _evaluation_steps(config, finetune)


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


def _evaluation_steps(config: ExperimentConfig, model: Request) -> Iterator[PlannedStep]:
    evaluation = config.evaluation
    for benchmark in evaluation.benchmarks:
        items = prepare_request(benchmark.source)
        predictions = predictions_request(
            benchmark,
            evaluation.generation_for(benchmark),
            batch_size=evaluation.batch_size,
            dataset_fingerprint=items.fingerprint,
            model_fingerprint=model.fingerprint,
        )
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

    def finished(role: str) -> Manifest:
        manifest = store.find(plan[role].request)
        if manifest is None:
            raise ConfigError(
                f"{config.name} has not been evaluated on {role.partition('/')[2]} yet; "
                f"`llava-jp run {config.name}` does it"
            )
        return manifest

    benchmarks = config.evaluation.benchmarks
    judged = [store.find(step.request) for role, step in plan.items() if role.startswith("judgements/")]
    return ComparedExperiment(
        config.name,
        tuple(finished(f"predictions/{benchmark.label}") for benchmark in benchmarks),
        tuple(finished(f"scores/{benchmark.label}") for benchmark in benchmarks),
        tuple(finished(f"dataset/{benchmark.name}") for benchmark in benchmarks),
        max_failed_items=config.limits.max_failed_items,
        other_scores=tuple(compared_scores(manifest, config.limits) for manifest in judged if manifest is not None),
    )


def write_index(config: ExperimentConfig, *, store_root: Path) -> None:
    """Note which artifacts belong to the experiment, for queries: ``experiments/<name>.json`` in the store."""
    steps = [
        {"role": step.role, "step": step.request.step, "fingerprint": step.fingerprint}
        for step in plan_experiment(config)
    ]
    folder = store_root / "experiments"
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{config.name}.json", json.dumps({"experiment": config.name, "steps": steps}, indent=2))
