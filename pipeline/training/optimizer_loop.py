"""The optimizer loop of one training stage on a DeepSpeed engine. Runs in every worker process.

Everything random follows from the seed and the position, so a restart needs no saved random state: the data order from
(seed, epoch), dropout from (seed, optimizer step, rank).
"""

import json
import math
from typing import Any

import torch

from pipeline.training.ranks import Ranks, join_ranks  # isort: split

from deepspeed import comm as dist

from model.language_model import load_tokenizer
from pipeline.config import TOKENIZER_FOLDER
from pipeline.errors import DataError, TrainingError
from pipeline.features.sources import FeatureSource, open_features
from pipeline.parquet import write_rows
from pipeline.store import WORK_FOLDER, write_text
from pipeline.training.batches import Batch, batches_ahead
from pipeline.training.checkpoints import resume, save_checkpoint
from pipeline.training.engine import build_model, micro_batches_per_step, start_engine
from pipeline.training.order import global_batches, micro_batches
from pipeline.training.publishing import publish, summary_of
from pipeline.training.reports import Reporter
from pipeline.training.samples import TrainingSamples, load_samples
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
    )
    engine = start_engine(job, model, ranks, num_optimizer_steps=len(plan))
    metrics = _optimize(job, engine, ranks, plan, samples, features)
    publish(job, model, tokenizer, ranks)
    if ranks.rank == 0:
        write_rows(job.directory / "metrics.parquet", metrics, schema=METRIC_SCHEMA)
        write_text(job.directory / WORK_FOLDER / "summary.json", json.dumps(summary_of(metrics, samples, model, ranks)))
    dist.barrier()
    dist.destroy_process_group()


def _optimize(
    job: TrainingJob,
    engine: Any,
    ranks: Ranks,
    plan: list[list[int]],
    samples: TrainingSamples,
    features: FeatureSource,
) -> list[dict[str, float]]:
    """All optimizer steps from where the last checkpoint is; returns one row of metrics per step, rank 0's own."""
    metrics = resume(job, engine, ranks)
    count = micro_batches_per_step(job.config, ranks)
    own = [
        micro_batches(batch, count=count, rank=ranks.rank, num_processes=ranks.num_processes)
        for batch in plan[len(metrics) :]
    ]
    reporter = Reporter(job.stage, metrics, total=len(plan)) if ranks.rank == 0 else None
    for batches in batches_ahead(own, samples.samples, features):
        optimizer_step = len(metrics) + 1
        torch.manual_seed(hash((job.config.seed, optimizer_step, ranks.rank)))
        names = [samples.samples[index].sample_id for index in plan[optimizer_step - 1]]
        metrics.append(_step(engine, batches, ranks, features, optimizer_step, names))
        if reporter is not None:
            reporter.report(metrics[-1])
        if optimizer_step % job.checkpoint_every == 0 and optimizer_step < len(plan):
            save_checkpoint(job, engine, ranks, metrics)
    return metrics


def _step(
    engine: Any, batches: list[Batch], ranks: Ranks, features: FeatureSource, optimizer_step: int, names: list[str]
) -> dict[str, float]:
    """One optimizer step on some samples. The loss is the mean over all supervised tokens of the global batch."""
    counts = torch.tensor(
        [sum(batch.num_supervised_tokens for batch in batches), sum(int(b.attention_mask.sum()) for b in batches)],
        device=ranks.device,
    )
    dist.all_reduce(counts)
    num_supervised, num_tokens = (int(count) for count in counts)
    learning_rate = engine.get_lr()[0]
    # DeepSpeed divides by the number of micro-batches and of processes; undo it, and divide by the tokens instead.
    scale = len(batches) * ranks.num_processes / num_supervised
    total = torch.zeros((), device=ranks.device)
    for batch in batches:
        loss_sum = engine(
            batch.input_ids.to(ranks.device),
            batch.attention_mask.to(ranks.device),
            batch.labels.to(ranks.device),
            features.on_device(batch.images, ranks.device),
        )
        total += loss_sum.detach()
        engine.backward(loss_sum * scale)
        norm = _gradient_norm_before(engine)
        engine.step()
    dist.all_reduce(total)
    loss = float(total) / num_supervised
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss is {loss} at optimizer step {optimizer_step}; the samples were: {', '.join(names)}"
        )
    return {
        "optimizer_step": optimizer_step,
        "loss": loss,
        "learning_rate": learning_rate,
        "gradient_norm": float(engine.get_global_grad_norm() or norm or 0.0),
        "num_supervised_tokens": num_supervised,
        "num_tokens": num_tokens,
    }


def _gradient_norm_before(engine: Any) -> float | None:
    """DeepSpeed tells the norm of its ZeRO and bf16 optimizers only; otherwise the parameters hold the gradients."""
    if engine.zero_optimization_stage() or engine.bfloat16_enabled() or not engine.is_gradient_accumulation_boundary():
        return None
    gradients = [parameter.grad for parameter in engine.module.parameters() if parameter.grad is not None]
    return float(torch.nn.utils.get_total_norm(gradients))
