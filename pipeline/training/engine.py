"""The model of a stage on a DeepSpeed engine: what trains, with which optimizer, on which schedule."""

import math
import sys
from typing import Any

import deepspeed
import torch
from transformers import PreTrainedTokenizerBase

from model.checkpoint import load_projector
from model.language_model import build_llm
from model.projector import Projector
from model.vlm import VisionLanguageModel
from pipeline.config import StageConfig
from pipeline.errors import ConfigError
from pipeline.features.sources import FeatureSource
from pipeline.training.order import num_micro_batches
from pipeline.training.ranks import Ranks
from pipeline.training.stage import TrainingJob


def build_model(job: TrainingJob, tokenizer: PreTrainedTokenizerBase, features: FeatureSource) -> VisionLanguageModel:
    llm = build_llm(job.llm, tokenizer)
    llm.config.use_cache = False
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.config.seed)
        projector = Projector(features.num_channels, llm.config.hidden_size)
    if job.start is not None:
        load_projector(projector, job.start)
    if job.config.gradient_checkpointing:
        llm.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model = VisionLanguageModel(projector, llm)
    model.prepare_stage(job.stage)
    return model


def start_engine(job: TrainingJob, model: VisionLanguageModel, ranks: Ranks, *, num_optimizer_steps: int) -> Any:
    config = job.config
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = _optimizer(config, trained)
    schedule = cosine_with_warmup(num_optimizer_steps, warmup_fraction=config.warmup_fraction)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)
    count = micro_batches_per_step(config, ranks)
    engine, *_ = deepspeed.initialize(
        model=model,
        optimizer=optimizer,
        lr_scheduler=scheduler,
        model_parameters=trained,
        config={
            "train_batch_size": config.micro_batch_size * count * ranks.num_processes,
            "train_micro_batch_size_per_gpu": config.micro_batch_size,
            "gradient_accumulation_steps": count,
            "gradient_clipping": config.max_gradient_norm,
            "bf16": {"enabled": config.precision == "bfloat16"},
            "zero_optimization": {"stage": job.zero_stage},
            "zero_allow_untested_optimizer": True,
            "steps_per_print": sys.maxsize,
        },
    )
    model.prepare_stage(job.stage)  # the engine puts the whole model in training mode
    return engine


def _optimizer(config: StageConfig, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    options: dict[str, Any] = {
        "lr": config.learning_rate,
        "betas": (0.9, config.adam_beta2),
        "weight_decay": config.weight_decay,
    }
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, **options)
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        raise ConfigError("optimizer: adamw-8bit needs bitsandbytes; pip install 'llava-jp-pipeline[gpu]'") from error
    eight_bit: torch.optim.Optimizer = AdamW8bit(parameters, **options)
    return eight_bit


def cosine_with_warmup(num_optimizer_steps: int, *, warmup_fraction: float) -> Any:
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


def micro_batches_per_step(config: StageConfig, ranks: Ranks) -> int:
    return num_micro_batches(
        global_batch_size=config.global_batch_size,
        micro_batch_size=config.micro_batch_size,
        num_processes=ranks.num_processes,
    )
