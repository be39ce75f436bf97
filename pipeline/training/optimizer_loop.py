"""The optimizer loop of one training stage on a DeepSpeed engine. Runs in every worker process.

Everything random follows from the seed and the position, so a restart needs no saved random state: the data order from
(seed, epoch), dropout from (seed, optimizer step, rank).
"""

import json
import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from pipeline.training.ranks import Ranks, join_ranks  # isort: split

from deepspeed import comm as dist

from model.language_model import load_tokenizer
from pipeline.config import TOKENIZER_FOLDER
from pipeline.errors import DataError, TrainingError
from pipeline.features.sources import FeatureSource, open_features
from pipeline.flops import Work, sizes_of, trained_of, training_flops
from pipeline.parquet import write_rows
from pipeline.store import WORK_FOLDER, write_text
from pipeline.training.batches import Batch, batches_ahead
from pipeline.training.checkpoints import resume, save_checkpoint
from pipeline.training.engine import build_model, micro_batches_per_step, start_engine
from pipeline.training.feed import Feed
from pipeline.training.order import global_batches, micro_batches
from pipeline.training.publishing import publish, summary_of
from pipeline.training.reports import Reporter
from pipeline.training.samples import TrainingSamples, load_samples
from pipeline.training.speed import Counts, counts_of, waiting
from pipeline.training.stage import METRIC_SCHEMA, TrainingJob


def train(job: TrainingJob) -> None:
    """Train one stage and leave its result in ``job.directory``."""
    ranks = join_ranks()
    tokenizer = load_tokenizer(job.llm, bundled=TOKENIZER_FOLDER)
    features = open_features(job, ranks.device)
    samples = load_samples(
        job.dataset / "samples.parquet",
        job.accepted / "accepted.parquet",
        features=features,
        tokenizer=tokenizer,
        template=job.config.template,
        max_length=job.config.max_length,
    )
    if not samples.samples:
        raise DataError(
            f"{job.stage}: no sample is left to train on ({samples.num_too_long} too long for "
            f"max_length={job.config.max_length}, {samples.num_without_features} without features)"
        )
    model = build_model(job, tokenizer, features)
    plan = global_batches(
        len(samples.samples),
        batch_size=job.config.global_batch_size,
        num_epochs=job.config.num_epochs,
        seed=job.config.seed,
        grouped_by=samples.lengths if job.config.group_by_length else None,
    )
    num_projector = sum(parameter.numel() for parameter in model.projector.parameters())
    sizes, trained = sizes_of(model.llm, num_projector=num_projector), trained_of(model.llm)
    engine = start_engine(job, model, ranks, num_optimizer_steps=len(plan))
    feed = Feed(features, ranks.device)
    step = _Step(job, engine, ranks, feed, partial(training_flops, sizes, trained=trained))
    metrics = _optimize(step, plan, samples, features)
    publish(job, model, tokenizer, ranks)
    if ranks.rank == 0:
        write_rows(job.directory / "metrics.parquet", metrics, schema=METRIC_SCHEMA)
        write_text(job.directory / WORK_FOLDER / "summary.json", json.dumps(summary_of(metrics, samples, model, ranks)))
    dist.barrier()
    dist.destroy_process_group()


@dataclass(frozen=True, slots=True)
class _Step:
    """What every optimizer step needs."""

    job: TrainingJob
    engine: Any
    ranks: Ranks
    feed: Feed
    flops_of: Callable[[Work], float]


def _optimize(
    step: _Step, plan: list[list[int]], samples: TrainingSamples, features: FeatureSource
) -> list[dict[str, float]]:
    """All optimizer steps from where the last checkpoint is; returns one row of metrics per step, rank 0's own."""
    job, engine, ranks = step.job, step.engine, step.ranks
    metrics = resume(job, engine, ranks)
    own = _own_pieces(job, ranks, plan[len(metrics) :], samples)
    reporter = Reporter(job.stage, metrics, total=len(plan), ranks=ranks) if ranks.rank == 0 else None
    with closing(batches_ahead(own, samples.samples, features)) as steps:
        for batches, waited_seconds in waiting(steps):
            optimizer_step = len(metrics) + 1
            torch.manual_seed(hash((job.config.seed, optimizer_step, ranks.rank)))
            names = [samples.samples[index].sample_id for index in plan[optimizer_step - 1]]
            metrics.append(_take(step, batches, optimizer_step, names))
            if reporter is not None:
                reporter.report(metrics[-1], waited_seconds=waited_seconds)
            if optimizer_step % job.checkpoint_every == 0 and optimizer_step < len(plan):
                save_checkpoint(job, engine, ranks, metrics)
    return metrics


def _own_pieces(
    job: TrainingJob, ranks: Ranks, plan: list[list[int]], samples: TrainingSamples
) -> list[list[list[int]]]:
    """This process's micro-batches of every optimizer step."""
    count = micro_batches_per_step(job.config, ranks)
    cut = partial(
        micro_batches, lengths=samples.lengths, count=count, rank=ranks.rank, num_processes=ranks.num_processes
    )
    return [cut(batch) for batch in plan]


def _take(step: _Step, batches: list[Batch], optimizer_step: int, names: list[str]) -> dict[str, float]:
    """One optimizer step on some samples. The loss is the mean over all supervised tokens of the global batch.

    The host looks at a figure of the device once, at the end.
    """
    engine, ranks = step.engine, step.ranks
    sums = torch.tensor(counts_of(batches), dtype=torch.float64, device=ranks.device)
    dist.all_reduce(sums)
    learning_rate = engine.get_lr()[0]
    # DeepSpeed divides by the number of micro-batches and of processes; undo it, and divide by the tokens instead.
    num_supervised = sums[Counts._fields.index("num_supervised_tokens")]
    scale = (len(batches) * ranks.num_processes / num_supervised).float()
    total = torch.zeros((), device=ranks.device)
    for inputs in step.feed.inputs(batches):
        loss_sum = engine(*inputs, z_loss=step.job.config.z_loss)
        total += loss_sum.detach()
        engine.backward(loss_sum * scale)
        norm = _gradient_norm_before(engine)
        engine.step()
    dist.all_reduce(total)
    counts = Counts(*sums.tolist())
    loss = float(total) / counts.num_supervised_tokens
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss is {loss} at optimizer step {optimizer_step}; the samples were: {', '.join(names)}"
        )
    return {
        "optimizer_step": optimizer_step,
        "loss": loss,
        "learning_rate": learning_rate,
        "gradient_norm": float(engine.get_global_grad_norm() or norm or 0.0),
        **counts.columns(),
        "model_flops": step.flops_of(counts.work),
    }


def _gradient_norm_before(engine: Any) -> float | None:
    """DeepSpeed tells the norm of its ZeRO and bf16 optimizers only; otherwise the parameters hold the gradients."""
    if engine.zero_optimization_stage() or engine.bfloat16_enabled() or not engine.is_gradient_accumulation_boundary():
        return None
    gradients = [parameter.grad for parameter in engine.module.parameters() if parameter.grad is not None]
    return float(torch.nn.utils.get_total_norm(gradients))
