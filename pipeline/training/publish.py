"""The result of a stage: its trained weights and a summary."""

import deepspeed
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from model.config import ImageConfig
from model.disk.checkpoint import CheckpointConfig, LoadedModel, save_model, save_projector
from model.vision.tower import build_vision_tower
from model.vlm import VisionLanguageModel
from pipeline.training.checkpoints.save import TrainingProgress
from pipeline.training.dataset import TrainingSamples
from pipeline.training.distributed import Distributed
from pipeline.training.job import StageSummary, TrainingJob


def publish(
    job: TrainingJob, model: VisionLanguageModel, tokenizer: PreTrainedTokenizerBase, distributed: Distributed
) -> None:
    """Write the trained weights: the projector in float32, the LLM in the number format it was trained in.

    Rank 0 gets the weights module by module, into the host's memory; no rank ever has them all on its device.
    Low-rank updates are merged into the LLM, and kept beside it as well.
    """
    projector = collected(model.projector, is_sharded=job.zero_stage == 3, rank=distributed.rank)
    if job.stage == "pretrain":
        if distributed.rank == 0:
            save_projector(projector, job.directory)
        return
    weights = collected(model.llm, is_sharded=job.zero_stage == 3, rank=distributed.rank)
    if distributed.rank:
        return
    if job.config.lora is not None:
        from model.lora import ADAPTER_FOLDER, is_transposed, merged, save_adapter

        save_adapter(weights, model.llm, job.config.lora, job.directory / ADAPTER_FOLDER)
        weights = merged(weights, job.config.lora, is_transposed=is_transposed(model.llm))
    model.llm.config.use_cache = True
    config = CheckpointConfig(
        images=ImageConfig(image_size=job.images.image_size, scales=job.images.scales, layout=job.images.layout),
        template=job.config.template,
        vision_dtype=job.vision_tower.dtype,
    )
    loaded = LoadedModel(config, build_vision_tower(job.vision_tower), model, tokenizer)
    save_model(loaded, job.directory, projector=projector, llm=weights)


def collected(module: nn.Module, *, is_sharded: bool, rank: int) -> dict[str, torch.Tensor]:
    """The weights of a module in the host's memory, on rank 0; every rank takes part where they are sharded.

    Buffers are left out: what our models have of them follows from their config. A weight that two modules share is
    there under both names, as in ``state_dict``, and once in memory.
    """
    found: dict[str, torch.Tensor] = {}
    by_parameter: dict[int, torch.Tensor] = {}
    for prefix, part in module.named_modules():
        own = dict(part.named_parameters(recurse=False, remove_duplicate=False))
        with deepspeed.zero.GatheredParameters(list(own.values()), enabled=is_sharded):
            for name, parameter in own.items() if rank == 0 else ():
                if id(parameter) not in by_parameter:
                    by_parameter[id(parameter)] = parameter.detach().to("cpu", copy=True)
                found[f"{prefix}.{name}".removeprefix(".")] = by_parameter[id(parameter)]
    return found


def summary_of(
    progress: TrainingProgress,
    samples: TrainingSamples,
    model: VisionLanguageModel,
    distributed: Distributed,
    *,
    num_trained_on: int,
    num_held_out: int,
) -> StageSummary:
    """The figures of a finished stage, for its manifest and MLflow."""
    metrics = progress.metrics
    losses = [row["held_out_loss"] for row in progress.held_out]
    return StageSummary(
        num_optimizer_steps=len(metrics),
        first_loss=metrics[0]["loss"],
        final_loss=metrics[-1]["loss"],
        first_held_out_loss=losses[0] if losses else None,
        final_held_out_loss=losses[-1] if losses else None,
        num_samples=len(samples),
        num_trained_on=num_trained_on,
        num_held_out=num_held_out,
        num_without_features=samples.num_findings["no_features"],
        num_too_long=samples.num_findings["too_long"],
        num_without_supervision=samples.num_findings["nothing_supervised"],
        num_not_in_template=samples.num_findings["not_in_template"],
        num_shortened=samples.num_findings["shortened"],
        num_tokens=int(sum(row["num_tokens"] for row in metrics)),
        num_parameters=sum(parameter.numel() for parameter in model.parameters()),
        num_trained_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        num_processes=distributed.num_processes,
    )
