"""The optimizer of a stage, its parameter groups and the schedule of its learning rates."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from model.vlm import VisionLanguageModel
from pipeline.config.experiment import StageConfig
from pipeline.core.errors import ConfigError


def build_optimizer(
    config: StageConfig, model: VisionLanguageModel, *, is_fused: bool = False
) -> torch.optim.Optimizer:
    """AdamW over what trains. Frozen parameters are not in it, so they have no states.

    Args:
        config: rates and number format of the moments.
        model: after ``prepare_stage``.
        is_fused: one kernel for all of an update, on a GPU or for states in the host's memory.

    Raises:
        ConfigError: 8-bit moments are asked for and bitsandbytes is not installed.
    """
    options: dict[str, Any] = {
        "lr": config.learning_rate,
        "betas": (0.9, config.adam_beta2),
        "weight_decay": config.weight_decay,
    }
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameter_groups(config, model), fused=is_fused or None, **options)
    try:
        from pipeline.training.adamw_8bit import EightBitAdamW
    except ImportError as error:
        raise ConfigError("optimizer: adamw-8bit needs bitsandbytes; pip install 'llava-jp-pipeline[gpu]'") from error
    return EightBitAdamW(parameter_groups(config, model), **options)


def parameter_groups(config: StageConfig, model: VisionLanguageModel) -> list[dict[str, Any]]:
    """What trains, in as few groups as have settings of their own; the first has the stage's learning rate.

    With ``adamw-8bit`` the moments of embeddings keep 32 bits: most rows of an embedding get no gradient in a step and
    a few a large one, which blocks of 8-bit numbers with one scale cannot hold (bitsandbytes' own advice).
    """
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    own = {id(parameter) for parameter in model.projector.parameters()}
    groups: dict[tuple[float, int], list[nn.Parameter]] = {}
    for parameter in [*model.llm.parameters(), *model.projector.parameters()]:
        if not parameter.requires_grad:
            continue
        rate = config.learning_rate
        if id(parameter) in own and config.projector_learning_rate is not None:
            rate = config.projector_learning_rate
        bits = 32 if config.optimizer == "adamw" or id(parameter) in embeddings else 8
        groups.setdefault((rate, bits), []).append(parameter)
    in_order = sorted(groups, key=lambda key: key[0] != config.learning_rate)
    return [{"params": groups[rate, bits], "lr": rate, "moment_bits": bits} for rate, bits in in_order]


def why_nothing_is_learned(stage: str, config: StageConfig, *, num_samples: int) -> str | None:
    """What is wrong with a stage of a single optimizer step, and what to do; None when its rate is above 0."""
    num_steps = math.ceil(num_samples / config.global_batch_size) * config.num_epochs
    if num_steps != 1 or not config.warmup_fraction:
        return None
    return (
        f"{stage} has {num_samples} samples for batches of {config.global_batch_size}: one optimizer step, the first "
        f"of the warm-up, whose learning rate is 0, so that nothing would be learned. Lower {stage}.global_batch_size, "
        f"raise {stage}.num_epochs, or set {stage}.warmup_fraction: 0"
    )


def cosine_with_warmup(num_optimizer_steps: int, *, warmup_fraction: float) -> Callable[[int], float]:
    """Factor of the peak learning rate at each optimizer step, counted from 0: linear up, then half a cosine to 0.

    As Transformers' ``get_cosine_schedule_with_warmup``, the warm-up rounded up to whole steps.
    """
    num_warmup = math.ceil(num_optimizer_steps * warmup_fraction)

    def factor(optimizer_step: int) -> float:
        if optimizer_step < num_warmup:
            return optimizer_step / max(1, num_warmup)
        done = (optimizer_step - num_warmup) / max(1, num_optimizer_steps - num_warmup)
        return max(0.0, 0.5 * (1 + math.cos(math.pi * done)))

    return factor
