"""What an experiment will need, before anything starts: bytes on disk, time, memory of one device, for every step.

Estimates, from counted parameters and tokens; a finished step shows what it really took. The time of a step that
computes is its floating-point operations over ``EXPECTED_MFU`` of the device's peak, plus what does not depend on a
model's size and dominates small ones: starting processes and launching many small operations.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from model.config import GenerationConfig
from pipeline.compute.gpus import Device
from pipeline.compute.model_sizes import Tower, tower_sizes
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.config.experiment import ExperimentConfig
from pipeline.core.settings import Settings
from pipeline.features.calibration import NUM_IMAGES
from pipeline.features.sizes import cached_bytes, encoding_flops
from pipeline.features.summaries import FeaturesSummary
from pipeline.planning.data_sizes import BYTES_PER_ROW, DatasetSize, data_sizes
from pipeline.planning.steps import Plan, Role, Step
from pipeline.planning.training import StageForecast, forecast, model_sizes
from pipeline.store.artifacts import ArtifactStore

START_SECONDS = 12.0
"""Starting the processes of a training stage."""
SECONDS_PER_MICRO_BATCH = 0.03
"""Forward and backward pass of a model too small to matter."""
SECONDS_PER_IMAGE = 2e-3
"""To draw or to decode one."""
SECONDS_PER_SAMPLE = 1e-4
"""To run all translation checks, on two cores; to score an answer."""
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


@dataclass(frozen=True, slots=True)
class Cost:
    """Needs of one step; of a finished one the memory is not known."""

    num_bytes: int
    seconds: float
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class Workload:
    """What an experiment computes on: its models and its data."""

    config: ExperimentConfig
    tower: Tower
    data: Mapping[str, DatasetSize]
    """``pretrain``, ``finetune`` and the benchmarks by their names."""
    stages: Mapping[str, StageForecast]
    num_encoders: int
    """Processes that encode images, one per device."""


def workload_of(config: ExperimentConfig, plan: Plan, *, store: ArtifactStore, settings: Settings) -> Workload:
    """Count models and data; nothing is loaded, nothing is measured."""
    data, tower = data_sizes(config, plan, store=store), tower_sizes(config.vision_tower)
    sizes = model_sizes(config, tower)
    stages = {
        stage: forecast(config, stage, data[stage], settings=settings, tower=tower, sizes=sizes)
        for stage in ("pretrain", "finetune")
    }
    return Workload(config, tower, data, stages, settings.num_processes)


def estimate(workload: Workload, plan: Plan, *, store: ArtifactStore, device: Device) -> Mapping[Role, Cost]:
    """Cost of every step by its role; what is done shows what it took."""
    return {step.role: _measured(step, store) or expected_cost(step.role, workload, device) for step in plan}


def _measured(step: Step, store: ArtifactStore) -> Cost | None:
    """What a finished step took; of features the shards count."""
    manifest = store.find(step.request)
    if manifest is None:
        return None
    is_features = step.role.kind == "features"
    payload_bytes = FeaturesSummary.of(manifest).payload_bytes if is_features else 0
    return Cost(manifest.num_bytes + payload_bytes, manifest.duration_seconds, None)


def expected_cost(role: Role, workload: Workload, device: Device) -> Cost:
    """Of the step in a role, as if nothing of it were there."""
    kind, name = role
    evaluation = workload.config.evaluation
    match kind:
        case "dataset":
            return dataset_cost(workload.data[name])
        case "translation":
            return translation_cost(workload.data[name])
        case "contamination":
            return contamination_cost(workload.data[name])
        case "calibration":
            return calibration_cost(workload, device)
        case "features":
            return encoding_cost(workload, workload.data[name].num_images, device)
        case "pretrain" | "finetune":
            return training_cost(workload, workload.stages[kind], device)
        case "predictions" | "scores" | "judgements":
            return _measuring_cost(kind, {one.label: one for one in evaluation.benchmarks}[name], workload, device)
    return Cost(0, 0.0, None)  # a step that nobody has an estimate for


def _measuring_cost(kind: str, benchmark: BenchmarkConfig, workload: Workload, device: Device) -> Cost:
    evaluation = workload.config.evaluation
    asked = workload.data[benchmark.name].asked_by(benchmark)
    match kind:
        case "predictions":
            return predictions_cost(workload, asked, evaluation.generation_for(benchmark), device)
        case "scores":
            return Cost(asked.num_samples * BYTES_PER_ROW, asked.num_samples * SECONDS_PER_SAMPLE, 0)
    num_judged = asked.num_samples * evaluation.judge.repeats
    return Cost(num_judged * BYTES_PER_JUDGEMENT, num_judged * SECONDS_PER_JUDGEMENT, 0)


def dataset_cost(size: DatasetSize) -> Cost:
    """To read or draw a dataset, with its images."""
    seconds = size.num_images * SECONDS_PER_IMAGE + size.num_samples * SECONDS_PER_RECORD
    return Cost(size.num_bytes, seconds, size.num_bytes)


def translation_cost(size: DatasetSize) -> Cost:
    """To check all samples; their texts are in memory."""
    num_bytes = size.num_samples * BYTES_PER_ROW
    return Cost(num_bytes, 0.5 + size.num_samples * SECONDS_PER_SAMPLE, size.num_characters * 4 + num_bytes)


def contamination_cost(size: DatasetSize) -> Cost:
    """Hashes and names of the images in memory, the list of kept samples on disk."""
    num_bytes = size.num_samples * BYTES_PER_ID
    return Cost(num_bytes, 0.5 + size.num_images * SECONDS_PER_HASH, size.num_images * BYTES_PER_ROW)


def encoding_cost(workload: Workload, num_images: int, device: Device) -> Cost:
    """Of features none of which is cached yet; ``live`` ones are encoded while the model trains."""
    config, num_encoders = workload.config, workload.num_encoders
    if config.features.form == "live":
        return Cost(0, 0.0, 0)
    flops = num_images * encoding_flops(workload.tower, config.features)
    num_bytes = cached_bytes(config.vision_tower, config.features, num_images=num_images)
    return Cost(num_bytes, device.seconds(flops) / num_encoders, tower_bytes(workload))


def calibration_cost(workload: Workload, device: Device) -> Cost:
    """One process looks at the first images; what it writes is small."""
    num_images = min(workload.data["pretrain"].num_images, NUM_IMAGES)
    flops = num_images * encoding_flops(workload.tower, workload.config.features)
    return Cost(0, device.seconds(flops), tower_bytes(workload))


def tower_bytes(workload: Workload) -> int:
    """The vision tower's weights in its number format."""
    return workload.tower.num_parameters * (4 if workload.config.vision_tower.dtype == "float32" else 2)


def training_cost(workload: Workload, stage: StageForecast, device: Device) -> Cost:
    """Of one stage on all of its devices; finetuning publishes the vision tower as well."""
    num_devices, stage_config = stage.request.num_devices, stage.request.config
    num_samples = workload.data[stage.stage].num_samples * stage_config.num_epochs
    flops = stage.flops
    if workload.config.features.form == "live":
        num_images = workload.data[stage.stage].num_shown_images * stage_config.num_epochs
        flops += num_images * encoding_flops(workload.tower, workload.config.features)
    num_micro_batches = num_samples // (stage_config.micro_batch_size * num_devices)
    seconds = START_SECONDS + num_micro_batches * SECONDS_PER_MICRO_BATCH + device.seconds(flops) / num_devices
    num_bytes = stage.published_bytes + (tower_bytes(workload) if stage.stage == "finetune" else 0)
    return Cost(num_bytes, seconds, stage.chosen.num_bytes)


def predictions_cost(workload: Workload, items: DatasetSize, generation: GenerationConfig, device: Device) -> Cost:
    """The tower sees every image again, the LLM reads the prompt and writes at most ``max_new_tokens``, per beam."""
    tower, features = workload.tower, workload.config.features
    num_written = items.num_samples * generation.max_new_tokens * generation.num_beams
    num_tokens = items.num_shown_images * tower.num_tokens(features.layout) + items.num_text_tokens + num_written
    num_llm = workload.stages["finetune"].request.sizes.num_llm
    flops = 2.0 * num_llm * num_tokens + encoding_flops(tower, features) * items.num_images
    return Cost(items.num_samples * BYTES_PER_ROW, device.seconds(flops), (num_llm + tower.num_parameters) * 4)
