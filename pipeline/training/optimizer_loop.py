"""The optimizer loop of one training stage on a DeepSpeed engine. Runs in every worker process.

Everything random follows from the seed and the position, so a restart needs no saved random state: the data order from
(seed, epoch), dropout from (seed, optimizer step, rank).
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from pipeline.training.ranks import Ranks, join_ranks  # isort: split

from deepspeed import comm as dist

from model.language_model import load_tokenizer
from pipeline.config import TOKENIZER_FOLDER
from pipeline.errors import DataError
from pipeline.features.sources import FeatureSource, open_features
from pipeline.parquet import write_rows
from pipeline.store import WORK_FOLDER, write_text
from pipeline.training.batches import Batch, batches_ahead
from pipeline.training.checkpoint_folder import checkpoint_folder
from pipeline.training.checkpoints import TrainingProgress, resume, save_checkpoint
from pipeline.training.engine import build_model, micro_batches_per_step, start_engine
from pipeline.training.held_out import HeldOutWatch, set_aside
from pipeline.training.order import global_batches, micro_batches
from pipeline.training.publishing import held_out_summary, publish, summary_of
from pipeline.training.reports import Reporter
from pipeline.training.samples import TrainingSamples, load_samples
from pipeline.training.spikes import require_finite
from pipeline.training.stage import ANSWER_SCHEMA, HELD_OUT_SCHEMA, METRIC_SCHEMA, TrainingJob
from pipeline.training.stopping import StopRequest, stopped
from pipeline.training.watching import Watch


def train(job: TrainingJob, stop: StopRequest) -> None:
    """Train one stage and leave its result in ``job.directory``.

    Raises:
        StoppedError: this process or another was asked to leave; a checkpoint is saved.
    """
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
    training, held_out = set_aside(samples.samples, job.config.held_out, seed=job.config.seed)
    samples = replace(samples, samples=tuple(training))
    watched = HeldOutWatch(job, held_out, tokenizer, features, ranks)
    model = build_model(job, tokenizer, features)
    plan = global_batches(
        len(samples.samples),
        batch_size=job.config.global_batch_size,
        num_epochs=job.config.num_epochs,
        seed=job.config.seed,
    )
    engine = start_engine(job, model, ranks, num_optimizer_steps=len(plan))
    progress = _optimize(job, engine, ranks, plan, samples, features, watched, stop)
    publish(job, model, tokenizer, ranks)
    if ranks.rank == 0:
        write_rows(job.directory / "metrics.parquet", progress.metrics, schema=METRIC_SCHEMA)
        if held_out:
            write_rows(job.directory / "held_out.parquet", progress.held_out, schema=HELD_OUT_SCHEMA)
            write_rows(job.directory / "held_out_answers.parquet", progress.answers, schema=ANSWER_SCHEMA)
        summary = {**summary_of(progress.metrics, samples, model, ranks), **held_out_summary(held_out, progress)}
        write_text(job.directory / WORK_FOLDER / "summary.json", json.dumps(summary))
    dist.barrier()
    dist.destroy_process_group()


def _optimize(
    job: TrainingJob,
    engine: Any,
    ranks: Ranks,
    plan: list[list[int]],
    samples: TrainingSamples,
    features: FeatureSource,
    held_out: HeldOutWatch,
    stop: StopRequest,
) -> TrainingProgress:
    """All optimizer steps from where the last checkpoint is; in ``metrics`` one row per step, rank 0's own."""

    def samples_of(optimizer_step: int) -> list[str]:
        return [samples.samples[index].sample_id for index in plan[optimizer_step - 1]]

    progress = resume(job, engine)
    metrics, num_saved = progress.metrics, len(progress.metrics)
    count = micro_batches_per_step(job.config, ranks)
    own = [
        micro_batches(batch, count=count, rank=ranks.rank, num_processes=ranks.num_processes)
        for batch in plan[len(metrics) :]
    ]
    is_teller = ranks.rank == 0
    reporter = Reporter(job.stage, metrics, total=len(plan)) if is_teller else None
    watch = Watch(job, progress, held_out, samples_of, total=len(plan), is_teller=is_teller)
    watch.begin(engine)
    for batches in batches_ahead(own, samples.samples, features):
        if stop.is_agreed(ranks.device):
            if len(metrics) > num_saved:
                save_checkpoint(job, engine, ranks, progress)
            raise stopped(job, optimizer_step=len(metrics), total=len(plan))
        optimizer_step = len(metrics) + 1
        torch.manual_seed(hash((job.config.seed, optimizer_step, ranks.rank)))
        metrics.append(_step(job, engine, batches, ranks, features, optimizer_step, samples_of(optimizer_step)))
        if reporter is not None:
            reporter.report(metrics[-1])
        watch.after_step(engine)
        if optimizer_step % job.checkpoint_every == 0 and optimizer_step < len(plan):
            save_checkpoint(job, engine, ranks, progress)
            num_saved = optimizer_step
    return progress


def _step(
    job: TrainingJob,
    engine: Any,
    batches: list[Batch],
    ranks: Ranks,
    features: FeatureSource,
    optimizer_step: int,
    names: Sequence[str],
) -> dict[str, float]:
    """One optimizer step on some samples. The loss is the mean over all supervised tokens of the global batch."""
    finite = partial(
        require_finite, optimizer_step=optimizer_step, samples=names, checkpoints=checkpoint_folder(job.directory)
    )
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
    for index, batch in enumerate(batches, 1):
        loss_sum = engine(
            batch.input_ids.to(ranks.device),
            batch.attention_mask.to(ranks.device),
            batch.labels.to(ranks.device),
            features.on_device(batch.images, ranks.device),
        )
        total += loss_sum.detach()
        engine.backward(loss_sum * scale)
        norm = _gradient_norm_before(engine)
        if index == len(batches):  # before the weights change
            dist.all_reduce(total)
            loss = float(total) / num_supervised
            finite(loss, "loss")
            finite(norm or 0.0, "gradient norm")
        engine.step()
    norm = float(engine.get_global_grad_norm() or norm or 0.0)
    finite(norm, "gradient norm")  # where DeepSpeed takes it itself, it leaves the weights as they are
    return {
        "optimizer_step": optimizer_step,
        "loss": loss,
        "learning_rate": learning_rate,
        "gradient_norm": norm,
        "num_supervised_tokens": num_supervised,
        "num_tokens": num_tokens,
    }


def _gradient_norm_before(engine: Any) -> float | None:
    """DeepSpeed tells the norm of its ZeRO and bf16 optimizers only; otherwise the parameters hold the gradients."""
    if engine.zero_optimization_stage() or engine.bfloat16_enabled() or not engine.is_gradient_accumulation_boundary():
        return None
    gradients = [parameter.grad for parameter in engine.module.parameters() if parameter.grad is not None]
    return float(torch.nn.utils.get_total_norm(gradients))
