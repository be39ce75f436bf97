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
from pipeline.errors import DataError
from pipeline.features.sources import open_features
from pipeline.flops import Work, sizes_of, trained_of, training_flops
from pipeline.parquet import write_rows
from pipeline.store import WORK_FOLDER, write_text
from pipeline.training.batches import Batch, batches_ahead
from pipeline.training.checkpoint_folder import checkpoint_folder
from pipeline.training.checkpoints import TrainingProgress, resume, save_checkpoint
from pipeline.training.engine import build_model, micro_batches_per_step, start_engine
from pipeline.training.feed import Feed
from pipeline.training.held_out import HeldOutWatch, set_aside
from pipeline.training.order import global_batches, micro_batches
from pipeline.training.publishing import publish, summary_of
from pipeline.training.reports import Reporter
from pipeline.training.samples import TrainingSamples, load_samples
from pipeline.training.speed import Counts, counts_of, waiting
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
        supervision=job.config.supervision,
        max_length=job.config.max_length,
        directory=job.directory,
        rank=ranks.rank,
        wait=dist.barrier,
    )
    if not len(samples):
        left_out = ", ".join(f"{count} {name}" for name, count in samples.num_findings.items()) or "none was accepted"
        raise DataError(
            f"{job.stage}: no sample is left to train on with max_length={job.config.max_length}: {left_out}"
        )
    training, held_out = set_aside(samples.subjects(), job.config.held_out, seed=job.config.seed)
    model = build_model(job, tokenizer, features)
    order = global_batches(
        len(training),
        batch_size=job.config.global_batch_size,
        num_epochs=job.config.num_epochs,
        seed=job.config.seed,
        grouped_by=samples.lengths[training] if job.config.group_by_length else None,
    )
    plan = [training[batch].tolist() for batch in order]
    num_projector = sum(parameter.numel() for parameter in model.projector.parameters())
    sizes, trained = sizes_of(model.llm, num_projector=num_projector), trained_of(model.llm)
    engine = start_engine(job, model, ranks, num_optimizer_steps=len(plan))
    feed = Feed(features, ranks.device)
    step = _Step(job, engine, ranks, feed, partial(training_flops, sizes, trained=trained))
    looks = HeldOutWatch(job, [samples[index] for index in held_out], tokenizer, feed, ranks)
    progress = _optimize(step, plan, samples, looks, stop)
    publish(job, model, tokenizer, ranks)
    if ranks.rank == 0:
        _write_results(job, progress)
        summary = summary_of(progress, samples, model, ranks, num_trained_on=len(training), num_held_out=len(held_out))
        write_text(job.directory / WORK_FOLDER / "summary.json", json.dumps(summary))
    dist.barrier()
    dist.destroy_process_group()


def _write_results(job: TrainingJob, progress: TrainingProgress) -> None:
    write_rows(job.directory / "metrics.parquet", progress.metrics, schema=METRIC_SCHEMA)
    if progress.held_out:
        write_rows(job.directory / "held_out.parquet", progress.held_out, schema=HELD_OUT_SCHEMA)
        write_rows(job.directory / "held_out_answers.parquet", progress.answers, schema=ANSWER_SCHEMA)


@dataclass(frozen=True, slots=True)
class _Step:
    """What every optimizer step needs."""

    job: TrainingJob
    engine: Any
    ranks: Ranks
    feed: Feed
    flops_of: Callable[[Work], float]


def _optimize(
    step: _Step, plan: list[list[int]], samples: TrainingSamples, looks: HeldOutWatch, stop: StopRequest
) -> TrainingProgress:
    """All optimizer steps from where the last checkpoint is; in ``metrics`` one row per step, rank 0's own."""

    def samples_of(optimizer_step: int) -> list[str]:
        return [samples.sample_id(index) for index in plan[optimizer_step - 1]]

    job, engine, ranks = step.job, step.engine, step.ranks
    progress = resume(job, engine)
    metrics, num_saved = progress.metrics, len(progress.metrics)
    own = _own_pieces(job, ranks, plan[num_saved:], samples)
    is_teller = ranks.rank == 0
    reporter = Reporter(job.stage, metrics, total=len(plan), ranks=ranks) if is_teller else None
    watch = Watch(job, progress, looks, samples_of, total=len(plan), is_teller=is_teller)
    watch.begin(engine)
    with closing(batches_ahead(own, samples, step.feed.features)) as steps:
        for batches, waited_seconds in waiting(steps):
            if stop.is_agreed(ranks.device):
                if len(metrics) > num_saved:
                    save_checkpoint(job, engine, ranks, progress)
                dist.destroy_process_group()
                raise stopped(job, optimizer_step=len(metrics), total=len(plan))
            optimizer_step = len(metrics) + 1
            torch.manual_seed(hash((job.config.seed, optimizer_step, ranks.rank)))
            metrics.append(_take(step, batches, optimizer_step, samples_of(optimizer_step)))
            if reporter is not None:
                reporter.report(metrics[-1], waited_seconds=waited_seconds)
            watch.after_step(engine)
            if optimizer_step % job.checkpoint_every == 0 and optimizer_step < len(plan):
                save_checkpoint(job, engine, ranks, progress)
                num_saved = optimizer_step
    return progress


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
    # A step that is no number stops the training before it gets into a checkpoint. DeepSpeed skips some by itself.
    norm = math.inf if engine.skipped_steps else float(engine.get_global_grad_norm() or norm or 0.0)
    for what, value in (("loss", loss), ("gradient norm", norm)):
        require_finite(value, what, optimizer_step, names, checkpoint_folder(step.job.directory))
    return {
        "optimizer_step": optimizer_step,
        "loss": loss,
        "learning_rate": learning_rate,
        "gradient_norm": norm,
        **counts.columns(),
        "model_flops": step.flops_of(counts.work),
    }


def _gradient_norm_before(engine: Any) -> float | None:
    """DeepSpeed tells the norm of its ZeRO and bf16 optimizers only; otherwise the parameters hold the gradients."""
    if engine.zero_optimization_stage() or engine.bfloat16_enabled() or not engine.is_gradient_accumulation_boundary():
        return None
    gradients = [parameter.grad for parameter in engine.module.parameters() if parameter.grad is not None]
    return float(torch.nn.utils.get_total_norm(gradients))
