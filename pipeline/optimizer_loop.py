"""The optimizer loop of one training stage on a DeepSpeed engine. Runs in every worker process.

Everything random follows from the seed and the position, so a restart needs no saved random state: the data order from
(seed, epoch), dropout from (seed, optimizer step, rank).
"""

import json
import math
import os
import shutil
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("DS_ACCELERATOR", "cuda" if Path("/dev/nvidiactl").exists() else "cpu")

import deepspeed
import torch
from deepspeed import comm as dist
from transformers import PreTrainedTokenizerBase

from model.checkpoint import LoadedModel, ModelConfig, load_projector, save_model, save_projector
from model.config import ImageConfig
from model.language_model import build_llm, load_tokenizer
from model.projector import Projector
from model.vision_tower import build_vision_tower
from model.vlm import VisionLanguageModel
from pipeline.batches import (
    Batch,
    TrainingSamples,
    batches_ahead,
    global_batches,
    load_samples,
    micro_batches,
    num_micro_batches,
)
from pipeline.config import TOKENIZER_FOLDER, StageConfig
from pipeline.errors import ConfigError, DataError, TrainingError
from pipeline.features.sources import FeatureSource, open_features
from pipeline.launch import WorkerEvent
from pipeline.parquet import write_rows
from pipeline.store import UNFINISHED_SUFFIX, WORK_FOLDER, write_text
from pipeline.training import METRIC_SCHEMA, TrainingJob

CHECKPOINT_PREFIX = "optimizer_step-"
SECONDS_BETWEEN_REPORTS = 0.5


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among all of them."""

    rank: int
    num_processes: int
    device: torch.device


def train(job: TrainingJob) -> None:
    """Train one stage and leave its result in ``job.directory``."""
    ranks = _join_ranks()
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
    model = _build_model(job, tokenizer, features)
    plan = global_batches(
        len(samples.samples),
        batch_size=job.config.global_batch_size,
        num_epochs=job.config.num_epochs,
        seed=job.config.seed,
    )
    engine = _engine(job, model, ranks, num_optimizer_steps=len(plan))
    metrics = _optimize(job, engine, ranks, plan, samples, features)
    _publish(job, model, tokenizer, ranks)
    if ranks.rank == 0:
        write_rows(job.directory / "metrics.parquet", metrics, schema=METRIC_SCHEMA)
        write_text(job.directory / WORK_FOLDER / "summary.json", json.dumps(_summary(metrics, samples, model, ranks)))
    dist.barrier()
    dist.destroy_process_group()


def _join_ranks() -> Ranks:
    on_gpu = torch.cuda.is_available()
    # A kernel for inference on CPUs, which DeepSpeed would compile for a minute at the first start.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(dist_backend="nccl" if on_gpu else "gloo", verbose=False)
    local_rank = int(os.environ["LOCAL_RANK"])
    if on_gpu:
        torch.cuda.set_device(local_rank)
    device = torch.device("cuda", local_rank) if on_gpu else torch.device("cpu")
    return Ranks(dist.get_rank(), dist.get_world_size(), device)


def _build_model(job: TrainingJob, tokenizer: PreTrainedTokenizerBase, features: FeatureSource) -> VisionLanguageModel:
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


def _engine(job: TrainingJob, model: VisionLanguageModel, ranks: Ranks, *, num_optimizer_steps: int) -> Any:
    config = job.config
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = _optimizer(config, trained)
    schedule = cosine_with_warmup(num_optimizer_steps, warmup_fraction=config.warmup_fraction)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)
    count = _micro_batches_per_step(config, ranks)
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


def _micro_batches_per_step(config: StageConfig, ranks: Ranks) -> int:
    return num_micro_batches(
        global_batch_size=config.global_batch_size,
        micro_batch_size=config.micro_batch_size,
        num_processes=ranks.num_processes,
    )


def _optimize(
    job: TrainingJob,
    engine: Any,
    ranks: Ranks,
    plan: list[list[int]],
    samples: TrainingSamples,
    features: FeatureSource,
) -> list[dict[str, float]]:
    """All optimizer steps from where the last checkpoint is; returns one row of metrics per step, rank 0's own."""
    metrics = _resume(job, engine, ranks)
    count = _micro_batches_per_step(job.config, ranks)
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
            _save_checkpoint(job, engine, ranks, metrics)
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


class Reporter:
    """Tells rank 0's progress to ``pipeline.launch``, at most a few times a second; first what an earlier run did."""

    def __init__(self, stage: str, earlier: list[dict[str, float]], *, total: int) -> None:
        self._stage = stage
        self._total = total
        self._start = len(earlier)
        self._waiting = list(earlier)
        self._new: list[dict[str, float]] = []
        self._last = time.monotonic()
        self._event([]).tell()

    def report(self, row: dict[str, float]) -> None:
        self._waiting.append(dict(row))
        self._new.append(row)
        seconds = time.monotonic() - self._last
        if seconds < SECONDS_BETWEEN_REPORTS and row["optimizer_step"] != self._total:
            return
        tokens_per_second = sum(row["num_tokens"] for row in self._new) / max(seconds, 1e-9)
        self._waiting[-1]["tokens_per_second"] = tokens_per_second
        self._event(self._waiting, note=f"loss {row['loss']:.3f}, {tokens_per_second:.0f} tokens/s").tell()
        self._waiting, self._new, self._last = [], [], time.monotonic()

    def _event(self, rows: list[dict[str, float]], *, note: str = "") -> WorkerEvent:
        return WorkerEvent(
            self._stage, self._start, len(self._new), self._total, "optimizer steps", note=note, rows=rows
        )


def _save_checkpoint(job: TrainingJob, engine: Any, ranks: Ranks, metrics: list[dict[str, float]]) -> None:
    """Everything a restart needs; it appears under its name only when all processes have written their part."""
    folder = job.directory / WORK_FOLDER / "checkpoints"
    name = f"{CHECKPOINT_PREFIX}{len(metrics):08d}"
    state = {"metrics": metrics, "num_processes": ranks.num_processes, "zero_stage": job.zero_stage}
    engine.save_checkpoint(
        str(folder), tag=name + UNFINISHED_SUFFIX, client_state=state, save_latest=False, exclude_frozen_parameters=True
    )
    dist.barrier()
    if ranks.rank == 0:
        (folder / f"{name}.json").write_text(json.dumps({key: state[key] for key in ("num_processes", "zero_stage")}))
        os.replace(folder / (name + UNFINISHED_SUFFIX), folder / name)
        for old in folder.glob(f"{CHECKPOINT_PREFIX}*"):
            if not old.name.startswith(name):
                shutil.rmtree(old) if old.is_dir() else old.unlink()
    dist.barrier()


def _resume(job: TrainingJob, engine: Any, ranks: Ranks) -> list[dict[str, float]]:
    """Load the last whole checkpoint, if there is one; returns the metrics up to it."""
    folder = job.directory / WORK_FOLDER / "checkpoints"
    names = [path.name for path in folder.glob(f"{CHECKPOINT_PREFIX}*") if path.is_dir()]
    whole = sorted(name for name in names if not name.endswith(UNFINISHED_SUFFIX))
    if not whole:
        return []
    made_with = json.loads((folder / f"{whole[-1]}.json").read_text())
    if made_with != {"num_processes": ranks.num_processes, "zero_stage": job.zero_stage}:
        raise ConfigError(
            f"{folder / whole[-1]} was made with {made_with['num_processes']} processes and ZeRO stage "
            f"{made_with['zero_stage']}, this run has {ranks.num_processes} and {job.zero_stage}; go on with "
            f"LLAVA_JP_NUM_PROCESSES={made_with['num_processes']} LLAVA_JP_ZERO_STAGE={made_with['zero_stage']}, "
            "or delete the folder to start the stage again"
        )
    _, state = engine.load_checkpoint(str(folder), tag=whole[-1], load_module_strict=False)
    rows: list[dict[str, float]] = state["metrics"]
    return rows


def _publish(job: TrainingJob, model: VisionLanguageModel, tokenizer: PreTrainedTokenizerBase, ranks: Ranks) -> None:
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


def _summary(
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
