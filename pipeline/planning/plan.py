"""The graph of steps, written once: what an experiment or an evaluation consists of, with fingerprints, before it runs.

A step is a function of ``pipeline.planning.entries`` and a line here. Flows, ``llava-jp show``, costs, MLflow and the
tests ask the plan.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from pipeline.comparison.judged import compared_scores
from pipeline.comparison.scores import ComparedExperiment
from pipeline.config.evaluation import BenchmarkConfig, EvaluationConfig
from pipeline.config.experiment import ExperimentConfig, LimitsConfig
from pipeline.config.identity import Identities
from pipeline.config.measured import ModelEvaluation
from pipeline.config.model_files import require_whole_models
from pipeline.core.errors import ConfigError
from pipeline.core.files import write_text
from pipeline.core.settings import Settings
from pipeline.evaluation.judge.protocols import judging_for
from pipeline.evaluation.language_gate import LanguageGate, gate_for
from pipeline.evaluation.measure import ModelToMeasure
from pipeline.planning.entries.data import contamination, dataset, translation
from pipeline.planning.entries.evaluation import judgements, measured_predictions, predictions, scores
from pipeline.planning.entries.features import calibration, features
from pipeline.planning.entries.training import training
from pipeline.planning.steps import Plan, Role, Step
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest


def plan_experiment(config: ExperimentConfig, settings: Settings) -> Plan:
    """All steps of an experiment; of the settings only what decides fingerprints: pins and the language model.

    Raises:
        DataError: a path of the experiment does not exist.
        ConfigError: a file of a model is not what its name says.
    """
    require_whole_models(config)
    return Plan(
        tuple(_experiment_steps(config, Identities(settings.store_root), gate_for(config.evaluation, settings)))
    )


def plan_evaluation(config: ModelEvaluation, model: ModelToMeasure, settings: Settings) -> Plan:
    """All steps of the evaluation of a model that no run has trained.

    Raises:
        DataError: a path does not exist.
        ConfigError: a file of a model is not what its name says.
    """
    require_whole_models(config)
    return Plan(
        tuple(_evaluation_steps(config, model, Identities(settings.store_root), gate_for(config.evaluation, settings)))
    )


def _experiment_steps(config: ExperimentConfig, identities: Identities, gate: LanguageGate | None) -> Iterator[Step]:
    limits, evaluation = config.limits, config.evaluation
    captions = dataset("pretrain", config.datasets.pretrain, is_benchmark=False, identities=identities)
    conversations = dataset("finetune", config.datasets.finetune, is_benchmark=False, identities=identities)
    benchmarks = _benchmarks(evaluation, identities)
    yield from (captions, conversations, *benchmarks.values())
    accepted_captions = translation(config.translation, captions, limits=limits)
    accepted_conversations = translation(config.translation, conversations, limits=limits)
    yield from (accepted_captions, accepted_conversations)
    if benchmarks:
        shared_captions = contamination(config.contamination, captions, accepted_captions, benchmarks)
        shared_conversations = contamination(config.contamination, conversations, accepted_conversations, benchmarks)
        yield from (shared_captions, shared_conversations)
        if config.contamination.exclude:
            accepted_captions, accepted_conversations = shared_captions, shared_conversations
    scales = None
    if config.features.form == "int8":
        yield (scales := calibration(config.vision_tower, config.features, captions, identities=identities))
    encode = partial(features, config.vision_tower, config.features, limits=limits, identities=identities)
    caption_features, conversation_features = encode(captions, scales), encode(conversations, scales)
    yield from (caption_features, conversation_features)
    inputs = {"dataset": captions, "accepted": accepted_captions, "features": caption_features}
    yield (projector := training("pretrain", config, inputs, identities=identities))
    inputs = {"dataset": conversations, "accepted": accepted_conversations, "features": conversation_features}
    yield (model := training("finetune", config, {**inputs, "projector": projector}, identities=identities))
    yield from _measuring_steps(
        config, benchmarks, gate, lambda benchmark, items: predictions(evaluation, benchmark, items, model)
    )


def _evaluation_steps(
    config: ModelEvaluation, model: ModelToMeasure, identities: Identities, gate: LanguageGate | None
) -> Iterator[Step]:
    benchmarks = _benchmarks(config.evaluation, identities)
    yield from benchmarks.values()
    yield from _measuring_steps(
        config,
        benchmarks,
        gate,
        lambda benchmark, items: measured_predictions(model, config, benchmark, items, identities=identities),
    )


def _benchmarks(evaluation: EvaluationConfig, identities: Identities) -> dict[str, Step]:
    """The items of every benchmark by its name; several protocols share them."""
    return {
        one.name: dataset(one.name, one.source, is_benchmark=True, identities=identities)
        for one in evaluation.benchmarks
    }


def _measuring_steps(
    config: ExperimentConfig | ModelEvaluation,
    benchmarks: Mapping[str, Step],
    gate: LanguageGate | None,
    answers_of: Callable[[BenchmarkConfig, Step], Step],
) -> Iterator[Step]:
    """Answers and scores of every benchmark, then judgements: a judge may be away."""
    evaluation, limits = config.evaluation, config.limits
    answers = {}
    for benchmark in evaluation.benchmarks:
        yield (answered := answers_of(benchmark, benchmarks[benchmark.name]))
        yield scores(benchmark, answered, limits=limits, gate=gate)
        answers[benchmark.label] = answered
    for benchmark in evaluation.benchmarks:
        if judging := judging_for(benchmark, evaluation.judge):
            items, answered = benchmarks[benchmark.name], answers[benchmark.label]
            yield judgements(judging, benchmark, items, answered, name=config.name, limits=limits)


def finished_experiment(config: ExperimentConfig, settings: Settings) -> ComparedExperiment:
    """The finished evaluation of an experiment, for a comparison. A judge's opinion may be missing.

    Raises:
        ConfigError: some of it is still to do.
    """
    plan, store = plan_experiment(config, settings), ArtifactStore(settings.store_root)
    return finished_evaluation(
        config.name,
        config.evaluation,
        config.limits,
        find=lambda role: plan.find(role, store),
        advice=f"`llava-jp run {config.name}` does it",
    )


def finished_evaluation(
    name: str,
    evaluation: EvaluationConfig,
    limits: LimitsConfig,
    *,
    find: Callable[[Role], Manifest | None],
    advice: str,
) -> ComparedExperiment:
    """What was measured under a name; ``find`` gives the artifact of a role, ``advice`` says how to make it.

    Raises:
        ConfigError: some of it is still to do.
    """

    def finished(role: Role) -> Manifest:
        if (manifest := find(role)) is None:
            raise ConfigError(f"{name} has not been evaluated on {role.of} yet; {advice}")
        return manifest

    benchmarks = evaluation.benchmarks
    judged = [find(Role("judgements", benchmark.label)) for benchmark in benchmarks]
    return ComparedExperiment(
        name,
        tuple(finished(Role("predictions", benchmark.label)) for benchmark in benchmarks),
        tuple(finished(Role("scores", benchmark.label)) for benchmark in benchmarks),
        tuple(finished(Role("dataset", benchmark.name)) for benchmark in benchmarks),
        max_failed_items=limits.max_failed_items,
        other_scores=tuple(compared_scores(manifest, limits) for manifest in judged if manifest is not None),
    )


def write_index(name: str, plan: Plan, *, store_root: Path) -> None:
    """Note which artifacts belong together under a name, for queries: ``experiments/<name>.json`` in the store."""
    steps = [{"role": str(step.role), "step": step.request.step, "fingerprint": step.fingerprint} for step in plan]
    folder = store_root / "experiments"
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{name}.json", json.dumps({"experiment": name, "steps": steps}, indent=2))
