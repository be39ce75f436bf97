"""The optimizer loop of one training stage on a DeepSpeed engine. Runs in every worker process.

Everything random follows from the seed and the position, so a restart needs no saved random state: the data order from
(seed, epoch), dropout from (seed, optimizer step, rank).
"""

from contextlib import closing
from functools import partial

import torch
from deepspeed import comm as dist

from model.language_model import load_tokenizer
from pipeline.compute.flops import sizes_of, trained_of, training_flops
from pipeline.config.experiment import TOKENIZER_FOLDER
from pipeline.core.errors import ConfigError, DataError
from pipeline.core.files import write_text
from pipeline.core.parquet import write_rows
from pipeline.store.artifacts import WORK_FOLDER
from pipeline.training.checkpoints.save import TrainingProgress, resume, save_checkpoint
from pipeline.training.dataset import TrainingSamples, load_samples
from pipeline.training.distributed import init_distributed
from pipeline.training.engine import build_model, start_engine
from pipeline.training.feature_source import open_features
from pipeline.training.job import ANSWER_SCHEMA, HELD_OUT_SCHEMA, METRIC_SCHEMA, TrainingJob
from pipeline.training.monitor import Monitor
from pipeline.training.optimizer_step import OptimizerStep, own_micro_batches
from pipeline.training.optimizers import why_nothing_is_learned
from pipeline.training.prefetch import DevicePrefetcher, prefetch
from pipeline.training.publish import publish, summary_of
from pipeline.training.sampler import global_batches
from pipeline.training.stopping import StopRequest, stopped
from pipeline.training.throughput import Reporter, waiting
from pipeline.training.validation import Validation, set_aside


def train(job: TrainingJob, stop: StopRequest) -> None:
    """Train one stage and leave its result in ``job.directory``.

    Raises:
        StoppedError: this process or another was asked to leave; a checkpoint is saved.
    """
    distributed = init_distributed()
    tokenizer = load_tokenizer(job.llm, bundled=TOKENIZER_FOLDER)
    features = open_features(job, distributed.device)
    samples = load_samples(
        job.dataset / "samples.parquet",
        job.accepted / "accepted.parquet",
        features=features,
        tokenizer=tokenizer,
        template=job.config.template,
        supervision=job.config.supervision,
        max_length=job.config.max_length,
        directory=job.directory,
        rank=distributed.rank,
        wait=dist.barrier,
    )
    if not len(samples):
        left_out = ", ".join(f"{count} {name}" for name, count in samples.num_findings.items()) or "none was accepted"
        raise DataError(
            f"{job.stage}: no sample is left to train on with max_length={job.config.max_length}: {left_out}"
        )
    training, held_out = set_aside(samples.subjects(), job.config.held_out, seed=job.config.seed)
    if reason := why_nothing_is_learned(job.stage, job.config, num_samples=len(training)):
        raise ConfigError(reason)
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
    engine = start_engine(job, model, distributed, num_optimizer_steps=len(plan))
    prefetcher = DevicePrefetcher(features, distributed.device)
    step = OptimizerStep(job, engine, distributed, prefetcher, partial(training_flops, sizes, trained=trained))
    validation = Validation(job, [samples[index] for index in held_out], tokenizer, prefetcher, distributed)
    progress = _optimize(step, plan, samples, validation, stop)
    publish(job, model, tokenizer, distributed)
    if distributed.rank == 0:
        _write_results(job, progress)
        summary = summary_of(
            progress, samples, model, distributed, num_trained_on=len(training), num_held_out=len(held_out)
        )
        write_text(job.directory / WORK_FOLDER / "summary.json", summary.model_dump_json(exclude_none=True))
    dist.barrier()
    dist.destroy_process_group()


def _write_results(job: TrainingJob, progress: TrainingProgress) -> None:
    write_rows(job.directory / "metrics.parquet", progress.metrics, schema=METRIC_SCHEMA)
    if progress.held_out:
        write_rows(job.directory / "held_out.parquet", progress.held_out, schema=HELD_OUT_SCHEMA)
        write_rows(job.directory / "held_out_answers.parquet", progress.answers, schema=ANSWER_SCHEMA)


def _optimize(
    step: OptimizerStep, plan: list[list[int]], samples: TrainingSamples, validation: Validation, stop: StopRequest
) -> TrainingProgress:
    """All optimizer steps from where the last checkpoint is; in ``metrics`` one row per step, rank 0's own."""

    def samples_of(optimizer_step: int) -> list[str]:
        return [samples.sample_id(index) for index in plan[optimizer_step - 1]]

    job, engine, distributed = step.job, step.engine, step.distributed
    progress = resume(job, engine)
    metrics, num_saved = progress.metrics, len(progress.metrics)
    own = own_micro_batches(job, distributed, plan[num_saved:], samples.lengths)
    is_logging = distributed.rank == 0
    reporter = Reporter(job.stage, metrics, total=len(plan), distributed=distributed) if is_logging else None
    monitor = Monitor(job, progress, validation, samples_of, total=len(plan), is_logging=is_logging)
    monitor.begin(engine)
    with closing(prefetch(own, samples, step.prefetcher.features)) as steps:
        for batches, waited_seconds in waiting(steps):
            if stop.is_agreed(distributed.device):
                if len(metrics) > num_saved:
                    save_checkpoint(job, engine, distributed, progress)
                dist.destroy_process_group()
                raise stopped(job, optimizer_step=len(metrics), total=len(plan))
            optimizer_step = len(metrics) + 1
            torch.manual_seed(hash((job.config.seed, optimizer_step, distributed.rank)))
            metrics.append(step.run(batches, optimizer_step, samples_of(optimizer_step)))
            if reporter is not None:
                reporter.report(metrics[-1], waited_seconds=waited_seconds)
            monitor.after_step(engine)
            # After the last one as well: what happens while the result is written must not cost optimizer steps.
            if optimizer_step % job.checkpoint_every == 0 or optimizer_step == len(plan):
                save_checkpoint(job, engine, distributed, progress)
                num_saved = optimizer_step
    return progress
