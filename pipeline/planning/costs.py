"""What an experiment will need, before anything starts: bytes on disk, memory of one device, time on this machine.

Estimates, from counted parameters and tokens. A finished step shows what it really took. Time is floating-point
operations over the matrix-multiplication rate measured now, times ``EFFICIENCY``, plus what does not depend on the size
of a model and dominates small ones: starting the processes of a stage and launching its many small operations.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from model.config import GenerationConfig, Stage
from pipeline.compute.model_sizes import Tower, matrix_rate, tower_sizes
from pipeline.config.benchmarks import KNOWN_BENCHMARKS
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.config.experiment import DatasetSource, ExperimentConfig, PublishedSource, ShapesJaSource
from pipeline.core.settings import load_settings
from pipeline.data.download.registry import find_dataset, find_source
from pipeline.data.records import read_records
from pipeline.data.samples import Sample, normalise
from pipeline.data.shapes_ja import generate_shapes
from pipeline.features.sizes import EFFICIENCY, Cost, calibration_cost, encoding_flops, features_cost
from pipeline.planning.plan import PlannedStep, plan_experiment
from pipeline.planning.training import DataSize, StageForecast, forecast, model_sizes
from pipeline.store.artifacts import ArtifactStore

START_SECONDS = 12.0
"""Starting the processes of a training stage."""
SECONDS_PER_MICRO_BATCH = 0.03
"""Forward and backward pass of a model too small to matter."""
SECONDS_PER_IMAGE = 2e-3
"""To draw or to decode one."""
SECONDS_PER_SAMPLE = 1e-4
"""To run all translation checks, on two cores."""
SECONDS_PER_RECORD = 2e-4
"""To read one and to find its original."""
SECONDS_PER_HASH = 2e-6
"""To compare the hash of one image with those of all benchmark images."""
SECONDS_PER_JUDGEMENT = 1.5
"""With eight requests to a judge at a time; a guess."""
BYTES_PER_JUDGEMENT = 1000
"""A reply and its scores."""
BYTES_PER_ID = 12
"""Of a list of sample ids, compressed."""
BYTES_PER_ROW = 200
"""Of a table with ids and short texts, compressed."""
IMAGES_LOOKED_AT = 50
RECORDS_LOOKED_AT = 20_000
CHARACTERS_PER_BYTE = 0.25
"""Japanese characters in a file of records: three bytes each, beside the names of the fields."""
COMPRESSION = 0.4
"""Bytes of samples.parquet for one of the records."""
CHARACTERS_PER_TOKEN = 1.5
"""Japanese text, with the tokenizers in use; for estimates only."""


@dataclass(frozen=True, slots=True)
class DatasetSize:
    """What a dataset holds, or will."""

    num_images: int
    num_samples: int
    num_characters: int
    num_bytes: int

    def num_tokens(self, num_vision_tokens: int) -> int:
        """Tokens of one pass, the vision tokens of every sample included."""
        return int(self.num_samples * num_vision_tokens + self.num_characters / CHARACTERS_PER_TOKEN)


def estimate(config: ExperimentConfig, *, store: ArtifactStore) -> dict[str, Cost]:
    """Cost of every step of an experiment by its role; what is done shows what it took."""
    plan = {step.role: step for step in plan_experiment(config)}
    tower = tower_sizes(config.vision_tower)
    sizes = training_data_sizes(config, store=store)
    trainings = training_forecasts(config, store=store)
    llm_parameters = trainings[0].request.sizes.num_llm
    tower_bytes = tower.num_parameters * (4 if config.vision_tower.dtype == "float32" else 2)
    costs = {"calibration": calibration_cost(config.vision_tower, config.features, sizes["pretrain"].num_images)}
    for training in trainings:
        stage = training.stage
        costs[f"dataset/{stage}"] = _dataset_cost(sizes[stage])
        costs[f"features/{stage}"] = features_cost(config.vision_tower, config.features, sizes[stage].num_images)
        costs[f"translation/{stage}"] = _translation_checks_cost(sizes[stage])
        costs[stage] = _training_cost(training, sizes[stage], tower_bytes=tower_bytes if stage == "finetune" else 0)
    for benchmark in config.evaluation.benchmarks:
        items = _count(benchmark.source, plan[f"dataset/{benchmark.name}"], store)
        costs[f"dataset/{benchmark.name}"] = _dataset_cost(items)
        for role, size in sizes.items():
            costs[f"contamination/{role}"] = _contamination_cost(size)
        asked = _asked(benchmark, items)
        generation = config.evaluation.generation_for(benchmark)
        costs[f"predictions/{benchmark.label}"] = _predictions_cost(config, generation, tower, llm_parameters, asked)
        costs[f"scores/{benchmark.label}"] = Cost(asked.num_samples * BYTES_PER_ROW, asked.num_samples * 1e-4, 0)
        num_judgements = asked.num_samples * config.evaluation.judge.repeats
        costs[f"judgements/{benchmark.label}"] = Cost(
            num_judgements * BYTES_PER_JUDGEMENT, num_judgements * SECONDS_PER_JUDGEMENT, 0
        )
    return {role: _measured(step, store) or costs[role] for role, step in plan.items()}


def training_data_sizes(config: ExperimentConfig, *, store: ArtifactStore) -> dict[str, DatasetSize]:
    """The datasets of both stages, counted or estimated."""
    plan = {step.role: step for step in plan_experiment(config)}
    sources = {"pretrain": config.datasets.pretrain, "finetune": config.datasets.finetune}
    return {role: _count(source, plan[f"dataset/{role}"], store) for role, source in sources.items()}


def _measured(step: PlannedStep, store: ArtifactStore) -> Cost | None:
    """What a finished step took; of features the shards count."""
    manifest = store.find(step.request)
    if manifest is None:
        return None
    num_bytes = manifest.num_bytes + manifest.summary.get("payload_bytes", 0)
    return Cost(num_bytes, manifest.duration_seconds, None)


def _count(source: DatasetSource, step: PlannedStep, store: ArtifactStore) -> DatasetSize:
    """From the artifact once there is one; before, from the records, or from the first of those to be generated."""
    if manifest := store.find(step.request):
        summary = manifest.summary
        return DatasetSize(summary["num_images"], summary["num_samples"], summary["num_characters"], manifest.num_bytes)
    if isinstance(source, ShapesJaSource):
        num_drawn = min(source.num_images, IMAGES_LOOKED_AT)
        drawn = list(generate_shapes(source.content, num_images=num_drawn, seed=source.seed))
        factor = source.num_images / num_drawn
        num_bytes = sum(len(image) for image in {record["image"]: image for record, image in drawn}.values())
        characters = sum(_characters(record) for record, _ in drawn)
        return DatasetSize(
            source.num_images, int(len(drawn) * factor), int(characters * factor), int(num_bytes * factor)
        )
    if isinstance(source, PublishedSource):
        return _published(source.name)
    return _first_records(source.annotations)


def _published(name: str) -> DatasetSize:
    """What the registry says of a dataset that is not prepared yet."""
    dataset = find_dataset(name)
    annotations = find_source(dataset.annotations.source).approximate_bytes
    return DatasetSize(
        min(dataset.num_images, dataset.num_records),
        dataset.num_records,
        int(annotations * CHARACTERS_PER_BYTE),
        int(annotations * COMPRESSION),
    )


def _first_records(annotations: Path) -> DatasetSize:
    """The first ``RECORDS_LOOKED_AT`` of a file, for the whole of it by their share of its bytes."""
    num_read = 0

    def advance(num_bytes: int) -> None:
        nonlocal num_read
        num_read += num_bytes

    records = [
        record
        for _, record in islice(read_records(annotations, advance=advance), RECORDS_LOOKED_AT)
        if isinstance(record, dict)
    ]
    factor = annotations.stat().st_size / num_read if len(records) == RECORDS_LOOKED_AT else 1.0
    num_images = len({str(record.get("image")) for record in records if record.get("image")}) * factor
    num_samples, num_characters = len(records) * factor, sum(map(_characters, records)) * factor
    return DatasetSize(int(num_images), int(num_samples), int(num_characters), int(num_samples * BYTES_PER_ROW))


def _characters(record: Mapping[str, Any]) -> int:
    """Characters of a record's messages; a record that cannot be used counts none."""
    sample = normalise(record, record_index=0)
    return sum(len(turn.text) for turn in sample.turns) if isinstance(sample, Sample) else 0


def _dataset_cost(size: DatasetSize) -> Cost:
    seconds = size.num_images * SECONDS_PER_IMAGE + size.num_samples * SECONDS_PER_RECORD
    return Cost(size.num_bytes, seconds, size.num_bytes)


def _translation_checks_cost(size: DatasetSize) -> Cost:
    num_bytes = size.num_samples * BYTES_PER_ROW
    return Cost(num_bytes, 0.5 + size.num_samples * SECONDS_PER_SAMPLE, size.num_characters * 4 + num_bytes)


def _contamination_cost(size: DatasetSize) -> Cost:
    """Hashes and names of the images in memory, the list of kept samples on disk."""
    num_bytes = size.num_samples * BYTES_PER_ID
    return Cost(num_bytes, 0.5 + size.num_images * SECONDS_PER_HASH, size.num_images * BYTES_PER_ROW)


def _asked(benchmark: BenchmarkConfig, items: DatasetSize) -> DatasetSize:
    """What a protocol asks of a benchmark's items."""
    known = KNOWN_BENCHMARKS.get(benchmark.name)
    if known is None:
        return items
    num_items = min(known.protocols[benchmark.protocol].num_items, items.num_samples)
    num_characters = items.num_characters * num_items // max(items.num_samples, 1)
    return replace(items, num_samples=num_items, num_characters=num_characters)


def _predictions_cost(
    config: ExperimentConfig, generation: GenerationConfig, tower: Tower, llm_parameters: int, items: DatasetSize
) -> Cost:
    """The tower sees every image again, the LLM reads the prompt and writes at most ``max_new_tokens``, per beam."""
    num_tokens = items.num_tokens(tower.num_tokens(config.features.layout))
    num_tokens += items.num_samples * generation.max_new_tokens * generation.num_beams
    flops = 2.0 * llm_parameters * num_tokens + encoding_flops(tower, config.features) * items.num_images
    memory = (llm_parameters + tower.num_parameters) * 4
    return Cost(items.num_samples * BYTES_PER_ROW, flops / (matrix_rate() * EFFICIENCY), memory)


def training_forecasts(config: ExperimentConfig, *, store: ArtifactStore) -> tuple[StageForecast, StageForecast]:
    """What the two stages will compute and hold in memory, with the settings of this process."""
    settings, data = load_settings(), training_data_sizes(config, store=store)
    sizes = model_sizes(config, tower_sizes(config.vision_tower))

    def of(stage: Stage) -> StageForecast:
        size = DataSize(data[stage].num_samples, data[stage].num_characters / CHARACTERS_PER_TOKEN)
        return forecast(config, stage, size, settings=settings, sizes=sizes)

    return of("pretrain"), of("finetune")


def _training_cost(training: StageForecast, size: DatasetSize, *, tower_bytes: int) -> Cost:
    """On this machine."""
    config = training.request.config
    num_micro_batches = size.num_samples * config.num_epochs // config.micro_batch_size
    seconds = training.seconds(matrix_rate() * EFFICIENCY)
    seconds += START_SECONDS + num_micro_batches * SECONDS_PER_MICRO_BATCH
    return Cost(_published_bytes(training) + tower_bytes, seconds, training.chosen.num_bytes)


def _published_bytes(training: StageForecast) -> int:
    """The projector in float32; after finetuning the whole LLM as it was trained, and low-rank updates beside it."""
    request = training.request
    if training.stage == "pretrain":
        return request.num_trained * 4
    llm_bytes = request.sizes.num_llm * (4 if request.config.precision == "float32" else 2)
    num_others = request.num_trained - (0 if request.config.lora else request.sizes.num_llm)
    return llm_bytes + num_others * 4
