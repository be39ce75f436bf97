"""A model under test: what it is for a fingerprint, and how it is opened when there is something to ask."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.config import GenerationConfig, HubFolder
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.config.identity import Identities
from pipeline.config.measured import (
    CheckpointModel,
    EndpointModel,
    ModelEvaluation,
    ModelUnderTestConfig,
    StoredModel,
    TransformersModel,
)
from pipeline.core.errors import ConfigError
from pipeline.core.settings import Settings
from pipeline.evaluation.answers import ModelUnderTest
from pipeline.evaluation.models.presets import Preset, find_preset
from pipeline.evaluation.models.weights import ON_THE_HUB, ModelSource, download_model
from pipeline.evaluation.predict import (
    all_items,
    benchmark_items,
    measured_request,
    predictions_request,
    unless_float32,
    write_predictions,
    write_shared_predictions,
)
from pipeline.features.cache import RunJob
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest, Request

PLAIN_FILES = ("*.json", "*.jinja", "*.safetensors", "*.model", "*.txt")
"""What is fetched of a model that Transformers loads: no pickle, and no code unless it is trusted."""
CODE_FILES = ("*.py",)

Load = Callable[[BenchmarkConfig, GenerationConfig, Manifest], ModelUnderTest]


@dataclass(frozen=True, slots=True)
class ModelToMeasure:
    """A model before it is opened."""

    config: ModelUnderTestConfig
    identity: Mapping[str, Any]
    """What it is, wherever it lies."""
    load: Load
    """Opens it for a benchmark with its dataset."""
    manifest: Manifest | None = None
    """Of a model that was trained in this store: then the identity is its fingerprint."""
    checkpoint: Callable[[], Path] | None = None
    """Gives the folder of a checkpoint, whose items can be shared among processes."""
    batch_size: int | None = None
    """Items asked together, where that is not the evaluation's affair."""

    @property
    def is_on_device(self) -> bool:
        """Whether it runs on this machine."""
        return isinstance(self.config, CheckpointModel | TransformersModel)

    def request(
        self, benchmark: BenchmarkConfig, config: ModelEvaluation, identities: Identities, *, dataset_fingerprint: str
    ) -> Request:
        """What is asked for: this model's answers to one benchmark."""
        evaluation = config.evaluation
        generation = evaluation.generation_for(benchmark)
        if self.manifest is not None:
            assert isinstance(self.config, CheckpointModel)
            return predictions_request(
                benchmark,
                generation,
                batch_size=evaluation.batch_size,
                dataset_fingerprint=dataset_fingerprint,
                model_fingerprint=self.manifest.fingerprint,
                dtype=self.config.dtype,
            )
        asked: dict[str, Any] = {"model": self._identity(benchmark, identities)}
        if not isinstance(self.config, StoredModel):
            asked["generation"] = generation.model_dump(mode="json")
        if self.is_on_device:
            asked["batch_size"] = evaluation.batch_size
        return measured_request(
            benchmark,
            asked=asked,
            dataset_fingerprint=dataset_fingerprint,
            is_checkpoint=isinstance(self.config, CheckpointModel),
        )

    def _identity(self, benchmark: BenchmarkConfig, identities: Identities) -> Mapping[str, Any]:
        if isinstance(self.config, StoredModel):
            return {"kind": "stored", "sha256": identities.of_path(self.config.files[benchmark.name])}
        return self.identity


def predict_with(
    model: ModelToMeasure,
    config: ModelEvaluation,
    benchmark: BenchmarkConfig,
    *,
    dataset: Manifest,
    store: ArtifactStore,
    run_job: RunJob | None = None,
) -> Manifest:
    """Write ``predictions.parquet`` and ``predictions.jsonl`` with the answers of a model under test.

    ``run_job`` shares the items of a checkpoint among processes.

    Raises:
        ConfigError: the model cannot be opened.
        DataError: the dataset is not the benchmark, or stored answers are not answers to it.
        EndpointError, TransientError: the endpoint does not answer; what it answered is kept.
    """
    request = model.request(benchmark, config, Identities(store.root), dataset_fingerprint=dataset.fingerprint)
    generation = config.evaluation.generation_for(benchmark)
    if run_job is not None and isinstance(model.config, CheckpointModel) and model.checkpoint is not None:
        dtype, folder = model.config.dtype, model.checkpoint
        return store.produce(
            request,
            lambda directory: write_shared_predictions(
                folder(),
                benchmark,
                generation,
                dataset=dataset,
                batch_size=config.evaluation.batch_size,
                directory=directory,
                run_job=run_job,
                dtype=dtype,
            ),
        )
    return store.produce(
        request,
        lambda directory: write_predictions(
            lambda: model.load(benchmark, generation, dataset),
            benchmark,
            dataset=dataset,
            batch_size=model.batch_size or config.evaluation.batch_size,
            generation=None if isinstance(model.config, StoredModel) else generation,
            directory=directory,
        ),
    )


def open_model_under_test(
    config: ModelUnderTestConfig, *, find: Callable[[str], ModelSource], settings: Settings
) -> ModelToMeasure:
    """Find a model; weights on the Hub are fetched, nothing is loaded. ``find`` looks a checkpoint up by its name.

    Raises:
        ConfigError: there is no such model, or it lacks something that is known now.
        TransientError: the Hub does not answer.
    """
    identities = Identities(settings.store_root)
    match config:
        case CheckpointModel():
            return _checkpoint(config, find(config.name), identities)
        case TransformersModel():
            return _transformers(config, identities)
        case EndpointModel():
            return _endpoint(config, settings)
        case StoredModel():
            return _stored(config)


def require_reachable(config: ModelUnderTestConfig, settings: Settings) -> None:
    """Check what needs no asking: that something says where a model behind an endpoint is.

    Raises:
        ConfigError: nothing does.
    """
    if isinstance(config, EndpointModel):
        from pipeline.evaluation.models.endpoint import endpoint_of

        endpoint_of(config, settings)


def _checkpoint(config: CheckpointModel, source: ModelSource, identities: Identities) -> ModelToMeasure:
    def load(benchmark: BenchmarkConfig, generation: GenerationConfig, dataset: Manifest) -> ModelUnderTest:
        from pipeline.evaluation.models.checkpoint import CheckpointUnderTest  # torch is loaded only when there is work

        return CheckpointUnderTest(source.intact_folder(), generation, dtype=config.dtype)

    what = {**_identity_of(source, identities), **unless_float32(config.dtype)}
    return ModelToMeasure(config, what, load, manifest=source.manifest, checkpoint=source.intact_folder)


def _identity_of(source: ModelSource, identities: Identities) -> Mapping[str, Any]:
    if source.manifest is not None:
        return {"kind": "checkpoint", "fingerprint": source.manifest.fingerprint}
    if (found := ON_THE_HUB.fullmatch(source.name)) and found["revision"]:
        return {"kind": "checkpoint", "id": found["id"], "revision": source.folder.name}
    return {"kind": "checkpoint", "sha256": identities.of_path(source.folder)}


def _transformers(config: TransformersModel, identities: Identities) -> ModelToMeasure:
    preset = find_preset(config.preset) if config.preset else None
    if preset and preset.needs_remote_code and not config.trust_remote_code:
        raise ConfigError(
            f"{config.preset} is a model whose class is Python code that lies with its weights. Such code can do "
            "anything to this machine: read it, then pass --trust-remote-code"
        )
    folder, where = _weights(config, identities)

    def load(benchmark: BenchmarkConfig, generation: GenerationConfig, dataset: Manifest) -> ModelUnderTest:
        from pipeline.evaluation.models.transformers import TransformersUnderTest

        return TransformersUnderTest(
            folder, generation, preset=preset, trust_remote_code=config.trust_remote_code, dtype=config.dtype
        )

    return ModelToMeasure(config, {**where, "dtype": config.dtype, "prompt": _prompt_of(preset)}, load)


def _weights(config: TransformersModel, identities: Identities) -> tuple[Path, dict[str, Any]]:
    """The folder, and what lies there: a commit of a repository, or bytes."""
    patterns = PLAIN_FILES + (CODE_FILES if config.trust_remote_code else ())
    if isinstance(config.weights, HubFolder):
        folder = download_model(config.weights.id, revision=config.weights.revision or "main", patterns=patterns)
        return folder, {"kind": "transformers", "id": config.weights.id, "revision": folder.name}
    folder = config.weights.folder
    return folder, {"kind": "transformers", "sha256": identities.of_path(folder)}


def _prompt_of(preset: Preset | None) -> Mapping[str, Any] | None:
    """What of a preset decides the answers; None: the model's own chat template."""
    return None if preset is None else preset.model_dump(include={"prompt", "add_special_tokens", "end_strings"})


def _endpoint(config: EndpointModel, settings: Settings) -> ModelToMeasure:
    from pipeline.evaluation.models.endpoint import EndpointUnderTest, endpoint_of, host_of

    endpoint = endpoint_of(config, settings)

    def load(benchmark: BenchmarkConfig, generation: GenerationConfig, dataset: Manifest) -> ModelUnderTest:
        return EndpointUnderTest(config, generation, endpoint)

    what = {
        "kind": "endpoint",
        "model": config.model,
        "host": host_of(config, settings),
        "sends_temperature": config.sends_temperature,
    }
    return ModelToMeasure(config, what, load, batch_size=endpoint.max_concurrency)


def _stored(config: StoredModel) -> ModelToMeasure:
    def load(benchmark: BenchmarkConfig, generation: GenerationConfig, dataset: Manifest) -> ModelUnderTest:
        from pipeline.evaluation.models.stored import StoredAnswersUnderTest, read_answers

        items = benchmark_items(benchmark, dataset)
        everything = all_items(benchmark, dataset)
        return StoredAnswersUnderTest(read_answers(config.files[benchmark.name], items=items, all_items=everything))

    return ModelToMeasure(config, {"kind": "stored"}, load)
