"""Our training as ``bench_train`` measures it: shards, batches read ahead, optimizer steps of a DeepSpeed engine."""

import gc
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from model.config import Stage
from model.language_model import fuse_activations
from model.vlm import VisionLanguageModel
from pipeline.compute.flops import sizes_of, trained_of, training_flops
from pipeline.config.experiment import StageConfig
from pipeline.features.reader import FeatureReader
from pipeline.training.distributed import Distributed, init_distributed
from pipeline.training.engine import start_engine
from pipeline.training.feature_source import CachedFeatures
from pipeline.training.job import TrainingJob
from pipeline.training.optimizer_step import OptimizerStep, own_micro_batches
from pipeline.training.prefetch import DevicePrefetcher, prefetch
from pipeline.training.throughput import waiting
from tests.benchmarks.train_shapes import Samples, Shapes, stage_of


@dataclass(frozen=True)
class Timed:
    """Of the optimizer steps after the first ones."""

    seconds: float
    waited_seconds: float
    kept_bytes: int
    """Of all tensors between two optimizer steps."""


def run(
    shapes: Shapes,
    stage: Stage,
    config: StageConfig,
    samples: Samples,
    plan: list[list[int]],
    *,
    features: Path,
    attention: str,
) -> Timed:
    """``plan``: all optimizer steps, the first ``shapes.warmup_steps`` untimed; ``features``: the artifact."""
    distributed = init_distributed()
    step = _step(shapes, stage, config, features, distributed, num_optimizer_steps=len(plan), attention=attention)
    pieces = own_micro_batches(step.job, distributed, plan, samples.lengths)
    began, waited_seconds = time.perf_counter(), 0.0
    with closing(prefetch(pieces, samples, step.prefetcher.features)) as steps:
        for number, (batches, waited) in enumerate(waiting(steps)):
            if number == shapes.warmup_steps:
                began, waited_seconds = time.perf_counter(), 0.0
            elif number > shapes.warmup_steps:
                waited_seconds += waited
            step.run(batches, number + 1, [])  # reads the loss, so the device is done
    seconds = time.perf_counter() - began
    del batches
    return Timed(seconds, waited_seconds, live_bytes())


def _step(
    shapes: Shapes,
    stage: Stage,
    config: StageConfig,
    features: Path,
    distributed: Distributed,
    *,
    num_optimizer_steps: int,
    attention: str,
) -> OptimizerStep:
    llm = shapes.build_llm(distributed.device, torch.bfloat16, attention=attention)
    fuse_activations(llm)
    if config.gradient_checkpointing:
        llm.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model = VisionLanguageModel(shapes.projector(distributed.device, torch.bfloat16), llm)
    model.prepare_stage(stage)
    num_projector = sum(parameter.numel() for parameter in model.projector.parameters())
    flops_of = partial(training_flops, sizes_of(llm, num_projector=num_projector), trained=trained_of(llm))
    job = _job(stage, config, features)
    engine = start_engine(job, model, distributed, num_optimizer_steps=num_optimizer_steps)
    source = CachedFeatures(FeatureReader(features), distributed.device)
    return OptimizerStep(job, engine, distributed, DevicePrefetcher(source, distributed.device), flops_of)


def _job(stage: Stage, config: StageConfig, features: Path) -> TrainingJob:
    """What the engine reads of a job; the rest is not there."""
    experiment, _ = stage_of(stage)
    return TrainingJob(
        stage=stage,
        config=config,
        vision_tower=experiment.vision_tower,
        images=experiment.features,
        llm=experiment.llm,
        dataset=features,
        accepted=features,
        features=features,
        start=None,
        directory=features,
        zero_stage=1,  # what a training in bfloat16 has on one device
        checkpoint_every=10**9,
        keep_checkpoints=1,
        seconds_to_stop=120.0,
        checkpoint=None,
        universal=None,
    )


def live_bytes() -> int:
    """Of all tensors that exist, each storage once."""
    gc.collect()
    found = [one for one in gc.get_objects() if type(one) in (torch.Tensor, torch.nn.Parameter)]
    storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in found}
    return sum(storages.values())
