"""What the training of an experiment will take on a GPU, before it starts: operations, hours, memory of a device."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from transformers import AutoModelForCausalLM

from model.config import Stage
from pipeline.compute.flops import ModelSizes, Trained, Work, sizes_of, training_flops
from pipeline.compute.gpus import Gpu
from pipeline.compute.hosts import training_hosts
from pipeline.compute.model_sizes import Tower, llm_architecture, tower_sizes
from pipeline.config.experiment import ExperimentConfig, StageConfig
from pipeline.core.settings import Settings
from pipeline.core.wording import duration_text
from pipeline.features.sizes import bytes_per_image
from pipeline.planning.memory import MemoryRequest, StageMemory, memory_table, stage_memory
from pipeline.training.step import zero_stage_of

EXPECTED_MFU = 0.45
"""Utilisation that a training is expected to reach on a GPU of the table: the goal of ``make bench-train``."""
GIB = 2**30


@dataclass(frozen=True, slots=True)
class DataSize:
    """The samples of a stage in one epoch."""

    num_samples: int
    num_text_tokens: float


@dataclass(frozen=True, slots=True)
class StageForecast:
    """What one stage will take."""

    stage: Stage
    flops: float
    request: MemoryRequest
    zero_stage: int
    """The one that these settings choose."""

    @property
    def chosen(self) -> StageMemory:
        """With the settings and the experiment as they are."""
        recomputes = self.request.config.gradient_checkpointing
        return stage_memory(self.request, zero_stage=self.zero_stage, gradient_checkpointing=recomputes)

    def seconds(self, flops_per_second: float) -> float:
        """On all devices, each computing this much."""
        return self.flops / (flops_per_second * self.request.num_devices)


def forecast(
    config: ExperimentConfig, stage: Stage, size: DataSize, *, settings: Settings, sizes: ModelSizes | None = None
) -> StageForecast:
    """Of one stage; nothing is loaded and nothing is measured. ``sizes``: counted before, or None."""
    stage_config = config.pretrain if stage == "pretrain" else config.finetune
    tower = tower_sizes(config.vision_tower)
    sizes = sizes or model_sizes(config, tower)
    trained, num_trained, num_embeddings = _trained(stage, stage_config, sizes)
    num_vision = tower.num_tokens(config.features.layout)
    form = config.features.form
    request = MemoryRequest(
        config=stage_config,
        sizes=sizes,
        trained=trained,
        num_trained=num_trained,
        num_trained_embeddings=num_embeddings,
        num_devices=sum(host.num_slots for host in training_hosts(settings)),
        feature_bytes=0 if form == "live" else bytes_per_image(config.vision_tower, config.features, form=form),
        feature_numbers=num_vision * tower.width * len(config.features.scales),
        offload=settings.offload,
    )
    work = _work(size, num_vision, stage_config)
    return StageForecast(
        stage, training_flops(sizes, work, trained=trained), request, zero_stage_of(stage_config, settings)
    )


def model_sizes(config: ExperimentConfig, tower: Tower) -> ModelSizes:
    """Of an experiment's LLM and projector, counted on a model without storage."""
    with torch.device("meta"):
        llm = AutoModelForCausalLM.from_config(llm_architecture(config.llm))
    width = llm.config.hidden_size
    channels = tower.width * len(config.features.scales)
    return sizes_of(llm, num_projector=channels * width + width + width * width + width)


def _work(size: DataSize, num_vision: int, config: StageConfig) -> Work:
    """All text counts as supervised: of captions it is, of conversations a part; the output layer is a few percent."""
    num_samples = size.num_samples * config.num_epochs
    text = size.num_text_tokens * config.num_epochs
    length = min(num_vision + text / max(num_samples, 1), config.max_length)
    return Work(length * num_samples, text, num_vision * num_samples, length**2 * num_samples)


def _trained(stage: Stage, config: StageConfig, sizes: ModelSizes) -> tuple[Trained, int, int]:
    """What trains: in the LLM, in all, and of that in embeddings (with the output layer, if it is the same table)."""
    if stage == "pretrain":
        return Trained(), sizes.num_projector, 0
    if config.lora is not None:
        updates = _lora_parameters(config.lora.rank, sizes)
        return Trained(updates), updates + sizes.num_projector, 0
    return Trained(sizes.num_body, sizes.num_head), sizes.num_parameters, sizes.num_embeddings


def _lora_parameters(rank: int, sizes: ModelSizes) -> int:
    """About: updates of the query, key and value projections in every layer, peft's choice for most families."""
    return sizes.num_layers * rank * 4 * sizes.width


def gpu_rows(forecasts: Sequence[StageForecast], gpu: Gpu) -> Iterator[dict[str, object]]:
    """Operations and hours on a GPU, and whether it fits, for a table."""
    for one in forecasts:
        memory = one.chosen
        seconds = one.seconds(gpu.teraflops * 1e12 * EXPECTED_MFU)
        yield {
            "stage": one.stage,
            "operations": f"{one.flops:.3g}",
            "GPUs": one.request.num_devices,
            "time": duration_text(seconds),
            "memory of one": f"{memory.num_bytes / GIB:.1f} GiB",
            "fits": "yes" if memory.fits(gpu.memory_gib * GIB) else "no",
        }


def memory_rows(one: StageForecast, memory_bytes: int) -> Iterator[dict[str, object]]:
    """What lies on a device under each ZeRO stage, in GiB, with activations kept and recomputed."""
    kept, recomputed = (
        [stage_memory(one.request, zero_stage=stage, gradient_checkpointing=again) for stage in range(4)]
        for again in (False, True)
    )
    parts = ("weights", "gradients", "master_copies", "optimizer_states", "features", "logits", "update")
    for part in parts:
        yield _row(one, part.replace("_", " "), [_gib(getattr(memory, part)) for memory in kept])
    for name, memories in (("kept", kept), ("recomputed", recomputed)):
        yield _row(one, f"activations, {name}", [_gib(memory.activations) for memory in memories])
    for name, memories in (("kept", kept), ("recomputed", recomputed)):
        fits = ["" if memory.fits(memory_bytes) else ", too much" for memory in memories]
        amounts = [_gib(memory.num_bytes) for memory in memories]
        yield _row(one, f"in all, {name}", [amount + said for amount, said in zip(amounts, fits, strict=True)])


def _row(one: StageForecast, part: str, cells: list[str]) -> dict[str, object]:
    return {f"{one.stage}, GiB": part, **{f"ZeRO {number}": cell for number, cell in enumerate(cells)}}


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / GIB:.2f}"


def memory_title(one: StageForecast) -> str:
    """Of the table of ``memory_rows``."""
    recomputed = "recomputed" if one.request.config.gradient_checkpointing else "kept"
    devices = "one device" if one.request.num_devices == 1 else f"each of {one.request.num_devices} devices"
    return f"Memory of {devices}; chosen are ZeRO {one.zero_stage} and {recomputed} activations"


def advice(one: StageForecast, memory_bytes: int, *, name: str) -> str | None:
    """What to do when a stage will not fit, or None when it does."""
    if one.chosen.fits(memory_bytes):
        return None
    needed = f"{one.chosen.num_bytes / GIB:.1f} GiB and about 1.4 GiB more for CUDA itself"
    said = f"{one.stage} will not fit {name} with {memory_bytes / GIB:.0f} GiB: it needs {needed}. "
    fitting = [memory for memory in memory_table(one.request) if memory.fits(memory_bytes)]
    if not fitting:
        return said + (
            f"Nothing with these devices is enough: lower {one.stage}.micro_batch_size, take {_smaller_states(one)}"
            "more devices (LLAVA_JP_NUM_PROCESSES), or the host's memory (LLAVA_JP_OFFLOAD=optimizer or all)"
        )
    first = fitting[0]
    recomputes = f", {one.stage}.gradient_checkpointing=true" if first.gradient_checkpointing else ""
    return said + f"Enough are LLAVA_JP_ZERO_STAGE={first.zero_stage}{recomputes} or a smaller micro-batch"


def _smaller_states(one: StageForecast) -> str:
    """What the experiment does not do already."""
    config = one.request.config
    found = ["optimizer: adamw-8bit"] if config.optimizer == "adamw" else []
    if one.stage == "finetune" and config.lora is None:
        found.append("lora")
    return "".join(f"{name}, " for name in [" or ".join(found)] if name)


def own_memory() -> tuple[str, int]:
    """This machine's device and its memory; without a GPU the machine's own."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name(), torch.cuda.get_device_properties(0).total_memory
    return "this machine's memory", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
