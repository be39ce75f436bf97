"""The result of a stage: its trained weights and a summary."""

from contextlib import nullcontext
from typing import Any

import deepspeed
from transformers import PreTrainedTokenizerBase

from model.checkpoint import LoadedModel, ModelConfig, save_model, save_projector
from model.config import ImageConfig
from model.vision_tower import build_vision_tower
from model.vlm import VisionLanguageModel
from pipeline.training.ranks import Ranks
from pipeline.training.samples import TrainingSamples
from pipeline.training.stage import TrainingJob


def publish(job: TrainingJob, model: VisionLanguageModel, tokenizer: PreTrainedTokenizerBase, ranks: Ranks) -> None:
    """Write the trained weights in float32; under ZeRO-3 they are gathered first."""
    parameters = list(model.parameters())
    gathered = deepspeed.zero.GatheredParameters(parameters) if job.zero_stage == 3 else nullcontext()
    with gathered:
        if ranks.rank:
            return
        if job.stage == "pretrain":
            save_projector(model.projector, job.directory)
            return
        model.llm.config.use_cache = True
        config = ModelConfig(
            images=ImageConfig(image_size=job.images.image_size, scales=job.images.scales, layout=job.images.layout),
            template=job.config.template,
            vision_dtype=job.vision_tower.dtype,
        )
        save_model(LoadedModel(config, build_vision_tower(job.vision_tower), model, tokenizer), job.directory)


def summary_of(
    metrics: list[dict[str, float]], samples: TrainingSamples, model: VisionLanguageModel, ranks: Ranks
) -> dict[str, Any]:
    return {
        "num_optimizer_steps": len(metrics),
        "first_loss": metrics[0]["loss"],
        "final_loss": metrics[-1]["loss"],
        "num_samples": len(samples.samples),
        "num_without_features": samples.num_without_features,
        "num_too_long": samples.num_too_long,
        "num_shortened": samples.num_shortened,
        "num_tokens": int(sum(row["num_tokens"] for row in metrics)),
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "num_trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "num_processes": ranks.num_processes,
    }
