"""What the training of an experiment will take, before it starts: operations, bytes, memory of a device, advice."""

from dataclasses import dataclass
from math import ceil

import torch
from transformers import AutoModelForCausalLM

from model.config import Stage
from pipeline.compute.flops import ModelSizes, Trained, Work, sizes_of, training_flops
from pipeline.compute.gpus import GIB, Device
from pipeline.compute.hosts import training_hosts
from pipeline.compute.model_sizes import Tower, llm_architecture
from pipeline.config.experiment import ExperimentConfig, StageConfig
from pipeline.core.settings import Settings
from pipeline.features.sizes import bytes_per_image
from pipeline.planning.data_sizes import DatasetSize
from pipeline.planning.memory import OVERHEAD_BYTES, MemoryRequest, StageMemory, stage_memory, under_each_zero_stage
from pipeline.training.optimizers import why_nothing_is_learned
from pipeline.training.step import zero_stage_of


@dataclass(frozen=True, slots=True)
class StageForecast:
    """What one stage will take."""

    stage: Stage
    flops: float
    """On all devices together."""
    request: MemoryRequest
    zero_stage: int
    """The one that these settings choose."""
    nothing_is_learned_because: str | None = None

    @property
    def chosen(self) -> StageMemory:
        """With the settings and the experiment as they are."""
        recomputes = self.request.config.gradient_checkpointing
        return stage_memory(self.request, zero_stage=self.zero_stage, gradient_checkpointing=recomputes)

    @property
    def published_bytes(self) -> int:
        """The projector in float32; after finetuning the LLM as it was trained, and low-rank updates beside it."""
        request = self.request
        if self.stage == "pretrain":
            return request.num_trained * 4
        llm_bytes = request.sizes.num_llm * (4 if request.config.precision == "float32" else 2)
        return llm_bytes + (request.num_trained - (0 if request.config.lora else request.sizes.num_llm)) * 4


def forecast(
    config: ExperimentConfig, stage: Stage, size: DatasetSize, *, settings: Settings, tower: Tower, sizes: ModelSizes
) -> StageForecast:
    """Of one stage; nothing is loaded and nothing is measured."""
    stage_config = config.pretrain if stage == "pretrain" else config.finetune
    trained, num_trained, num_embeddings = _trained(stage, stage_config, sizes)
    num_vision, form = tower.num_tokens(config.features.layout), config.features.form
    images_per_sample = size.num_shown_images / max(size.num_samples, 1)
    bytes_of_image = 0 if form == "live" else bytes_per_image(config.vision_tower, config.features, form=form)
    request = MemoryRequest(
        config=stage_config,
        sizes=sizes,
        trained=trained,
        num_trained=num_trained,
        num_trained_embeddings=num_embeddings,
        num_devices=sum(host.num_slots for host in training_hosts(settings)),
        feature_bytes=ceil(bytes_of_image * images_per_sample),
        feature_numbers=ceil(num_vision * tower.width * len(config.features.scales) * images_per_sample),
        offload=settings.offload,
    )
    reason = why_nothing_is_learned(stage, stage_config, num_samples=size.num_samples)
    flops = training_flops(sizes, _work(size, num_vision, stage_config), trained=trained)
    return StageForecast(stage, flops, request, zero_stage_of(stage_config, settings), reason)


def model_sizes(config: ExperimentConfig, tower: Tower) -> ModelSizes:
    """Of an experiment's LLM and projector, counted on a model without storage."""
    with torch.device("meta"):
        llm = AutoModelForCausalLM.from_config(llm_architecture(config.llm), trust_remote_code=False)
    width = llm.config.hidden_size
    channels = tower.width * len(config.features.scales)
    return sizes_of(llm, num_projector=channels * width + width + width * width + width)


def _work(size: DatasetSize, num_vision: int, config: StageConfig) -> Work:
    """All text counts as supervised: of captions it is, of conversations a part; the output layer is a few percent."""
    num_samples, text = size.num_samples * config.num_epochs, size.num_text_tokens * config.num_epochs
    vision = num_vision * size.num_shown_images * config.num_epochs
    length = min((vision + text) / max(num_samples, 1), config.max_length)
    return Work(length * num_samples, text, vision, length**2 * num_samples)


def _trained(stage: Stage, config: StageConfig, sizes: ModelSizes) -> tuple[Trained, int, int]:
    """What trains: in the LLM, in all, and of that in embeddings (with the output layer, if it is the same table)."""
    if stage == "pretrain":
        return Trained(), sizes.num_projector, 0
    if config.lora is not None:
        # about: query, key and value projections in every layer, peft's choice for most families
        updates = sizes.num_layers * config.lora.rank * 4 * sizes.width
        return Trained(updates), updates + sizes.num_projector, 0
    return Trained(sizes.num_body, sizes.num_head), sizes.num_parameters, sizes.num_embeddings


def advice(one: StageForecast, device: Device) -> str | None:
    """What to do when a stage will not fit, or None when it does."""
    if one.chosen.fits(device.memory_bytes):
        return None
    needed = f"{one.chosen.num_bytes / GIB:.1f} GiB and about {OVERHEAD_BYTES / GIB:.1f} GiB more for CUDA itself"
    said = f"{one.stage} will not fit {device.name} with {device.memory_bytes / GIB:.0f} GiB: it needs {needed}. "
    kept, recomputed = (under_each_zero_stage(one.request, gradient_checkpointing=again) for again in (False, True))
    for first in (memory for both in zip(kept, recomputed, strict=True) for memory in both):
        if first.fits(device.memory_bytes):
            recomputes = f", {one.stage}.gradient_checkpointing=true" if first.gradient_checkpointing else ""
            return said + f"Enough are LLAVA_JP_ZERO_STAGE={first.zero_stage}{recomputes} or a smaller micro-batch"
    return said + (
        f"Nothing with these devices is enough: lower {one.stage}.micro_batch_size, take {_smaller_states(one)}"
        "more devices (LLAVA_JP_NUM_PROCESSES), or the host's memory (LLAVA_JP_OFFLOAD=optimizer or all)"
    )


def _smaller_states(one: StageForecast) -> str:
    """What the experiment does not do already."""
    config = one.request.config
    found = ["optimizer: adamw-8bit"] if config.optimizer == "adamw" else []
    found += ["lora"] if one.stage == "finetune" and config.lora is None else []
    return f"{' or '.join(found)}, " if found else ""
