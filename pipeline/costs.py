"""What an experiment will need, before anything starts: bytes on disk, memory of one device, time on this machine.

Estimates, from counted parameters and tokens. A finished step shows what it really took. Time is floating-point
operations over the matrix-multiplication rate measured now, times ``EFFICIENCY``; small models are slower than that,
because starting their processes (``START_SECONDS``) and many small operations dominate.
"""

import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, SiglipVisionConfig

from model.config import HubFolder, LlmConfig, LocalFolder, RandomVisionTower, VisionTowerConfig
from model.language_model import build_llm_config, load_tokenizer
from pipeline.config import TOKENIZER_FOLDER, DatasetSource, ExperimentConfig, ShapesJaSource, StageConfig
from pipeline.plan import PlannedStep, plan_experiment
from pipeline.samples import read_records
from pipeline.store import ArtifactStore

EFFICIENCY = 0.3
"""Part of the measured matrix rate that whole steps are assumed to reach."""
START_SECONDS = 12.0
"""Starting the processes of a training stage."""
BYTES_PER_TOKEN = 4
CHARACTERS_PER_TOKEN = 1.5
"""Japanese text, with the tokenizers in use; for estimates only."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Needs of one step; None where it cannot be known before an earlier step is done."""

    num_bytes: int | None = None
    seconds: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Tower:
    """Sizes of a vision tower."""

    num_patches: int
    tile_size: int
    width: int
    num_parameters: int


def estimate(config: ExperimentConfig, *, store: ArtifactStore) -> dict[str, Cost]:
    """Cost of every step of an experiment by its role."""
    plan = {step.role: step for step in plan_experiment(config)}
    costs = {role: _measured(step, store) or Cost() for role, step in plan.items()}
    counted = {
        "pretrain": _count(config.datasets.pretrain, plan["dataset/pretrain"], store),
        "finetune": _count(config.datasets.finetune, plan["dataset/finetune"], store),
    }
    tower = tower_sizes(config.vision_tower)
    num_images = sum(images for images, _, _ in counted.values())
    if _is_to_do(plan["features"], store):
        costs["features"] = _features_cost(config, tower, num_images)
    llm_parameters, llm_width = llm_sizes(config.llm)
    channels = tower.width * len(config.features.scales)
    projector_parameters = channels * llm_width + llm_width + llm_width * llm_width + llm_width
    for stage, stage_config in (("pretrain", config.pretrain), ("finetune", config.finetune)):
        if _is_to_do(plan[stage], store):
            _, num_samples, num_characters = counted[stage]
            trained = projector_parameters + (llm_parameters if stage == "finetune" else 0)
            costs[stage] = _training_cost(
                stage_config,
                num_parameters=llm_parameters + projector_parameters,
                num_trained=trained,
                num_tokens=_num_tokens(stage_config, tower.num_patches, num_samples, num_characters),
                width=llm_width,
                tower_bytes=tower.num_parameters * _item_bytes(config.vision_tower.dtype) if stage == "finetune" else 0,
            )
    return costs


def _is_to_do(step: PlannedStep, store: ArtifactStore) -> bool:
    return store.find(step.request) is None


def _measured(step: PlannedStep, store: ArtifactStore) -> Cost | None:
    manifest = store.find(step.request)
    return Cost(manifest.num_bytes, manifest.duration_seconds) if manifest else None


def _count(source: DatasetSource, step: PlannedStep, store: ArtifactStore) -> tuple[int, int, int | None]:
    """Images, samples and, once the dataset is prepared, characters of text."""
    if manifest := store.find(step.request):
        return manifest.summary["num_images"], manifest.summary["num_samples"], manifest.summary["num_characters"]
    if isinstance(source, ShapesJaSource):
        return source.num_images, source.num_images, None
    records = [record for _, record in read_records(source.annotations) if isinstance(record, dict)]
    return len({str(record.get("image")) for record in records if record.get("image")}), len(records), None


def _features_cost(config: ExperimentConfig, tower: Tower, num_images: int) -> Cost:
    item_bytes = _item_bytes(config.vision_tower.dtype)
    num_bytes = num_images * len(config.features.scales) * tower.num_patches * tower.width * item_bytes
    num_tiles = sum((side // tower.tile_size) ** 2 for side in config.features.sides)
    flops = 2.0 * tower.num_parameters * tower.num_patches * num_tiles * num_images
    return Cost(num_bytes, flops / (matrix_rate() * EFFICIENCY), tower.num_parameters * item_bytes)


def _num_tokens(stage: StageConfig, num_vision_tokens: int, num_samples: int, num_characters: int | None) -> int:
    """Tokens of one stage; before the data is prepared, at most."""
    if num_characters is None:
        return num_samples * stage.max_length * stage.num_epochs
    return int(num_samples * num_vision_tokens + num_characters / CHARACTERS_PER_TOKEN) * stage.num_epochs


def _training_cost(
    stage: StageConfig, *, num_parameters: int, num_trained: int, num_tokens: int, width: int, tower_bytes: int
) -> Cost:
    """Forward 2, backward through activations 2, weight gradients 2 operations per parameter and token."""
    flops = num_tokens * (4.0 * num_parameters + 2.0 * num_trained)
    weights = 4 if stage.precision == "float32" else 2
    moments = 8 if stage.optimizer == "adamw" else 2
    master = 0 if stage.precision == "float32" else 4
    activations = stage.micro_batch_size * stage.max_length * width * 34 * weights // 2  # per layer, arXiv 2205.05198
    memory = num_parameters * weights + num_trained * (weights + moments + master) + activations
    return Cost(num_trained * 4 + tower_bytes, START_SECONDS + flops / (matrix_rate() * EFFICIENCY), memory)


def tower_sizes(config: VisionTowerConfig) -> Tower:
    """Sizes from the configuration alone; no weights are loaded."""
    weights = config.weights
    if isinstance(weights, RandomVisionTower):
        sizes: dict[str, Any] = weights.model_dump()
        side, patch = weights.tile_size, weights.patch_size
    else:
        loaded = _vision_config(weights)
        sizes, side, patch = loaded.to_dict(), loaded.image_size, loaded.patch_size
    width, inner, layers = sizes["hidden_size"], sizes["intermediate_size"], sizes["num_hidden_layers"]
    num_patches = (side // patch) ** 2
    per_layer = 4 * width * (width + 1) + 2 * width * inner + width + inner + 4 * width
    num_parameters = layers * per_layer + num_patches * width + 3 * patch * patch * width + width
    return Tower(num_patches, side, width, num_parameters)


def _vision_config(weights: HubFolder | LocalFolder) -> Any:
    if isinstance(weights, HubFolder):
        loaded = AutoConfig.from_pretrained(weights.id, revision=weights.revision)
    else:
        loaded = AutoConfig.from_pretrained(weights.folder)
    return loaded if isinstance(loaded, SiglipVisionConfig) else loaded.vision_config


def llm_sizes(config: LlmConfig) -> tuple[int, int]:
    """Parameters and embedding size, counted on a model without storage."""
    architecture = build_llm_config(config, load_tokenizer(config, bundled=TOKENIZER_FOLDER))
    with torch.device("meta"):
        llm = AutoModelForCausalLM.from_config(architecture)
    return sum(parameter.numel() for parameter in llm.parameters()), architecture.hidden_size


def _item_bytes(dtype: str) -> int:
    return 4 if dtype == "float32" else 2


@cache
def matrix_rate() -> float:
    """Floating-point operations per second of a matrix product on this machine's device, measured for 0.3 seconds."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    side, dtype = (4096, torch.bfloat16) if device.type == "cuda" else (768, torch.float32)
    matrix = torch.rand(side, side, device=device, dtype=dtype)
    float((matrix @ matrix)[0, 0])
    count, started = 0, time.monotonic()
    while time.monotonic() - started < 0.3:
        float((matrix @ matrix)[0, 0])
        count += 1
    return count * 2.0 * side**3 / (time.monotonic() - started)
