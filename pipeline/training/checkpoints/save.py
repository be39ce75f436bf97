"""Saving a training and going on with it, through DeepSpeed: weights, moments, schedule, and the rows of its progress.

There is no random state to keep: the data order follows from the seed and the epoch, dropout from the seed, the
optimizer step and the rank.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from deepspeed import comm as dist
from deepspeed.runtime.checkpoint_engine.torch_checkpoint_engine import TorchCheckpointEngine
from deepspeed.runtime.fp16.loss_scaler import LossScaler
from deepspeed.runtime.zero.config import ZeroStageEnum
from deepspeed.utils.tensor_fragment import fragment_address

from pipeline.core.disk import free_bytes
from pipeline.core.errors import StoreError
from pipeline.core.files import UNFINISHED_SUFFIX, write_text
from pipeline.core.wording import size_text
from pipeline.training.checkpoints.folder import (
    PROGRESS_NAME,
    checkpoint_folder,
    checkpoint_name,
    prune,
    seal,
    whole_checkpoints,
)
from pipeline.training.checkpoints.zero0 import load_unpartitioned, parameter_names
from pipeline.training.distributed import Distributed
from pipeline.training.job import TrainingJob


@dataclass
class TrainingProgress:
    """What a training has to show so far; the number of its metric rows is its position in the data."""

    metrics: list[dict[str, float]] = field(default_factory=list)
    held_out: list[dict[str, float]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)


DEEPSPEED_OBJECTS = (ZeroStageEnum, LossScaler, fragment_address)
"""What DeepSpeed keeps in its files besides tensors and plain values."""


class DurableFiles(TorchCheckpointEngine):  # type: ignore[misc]
    """DeepSpeed's files with every byte on the disk at the end, and read without running what a pickle may ask for."""

    def save(self, state_dict: Any, path: str) -> None:
        with open(path, "wb") as file:
            try:
                torch.save(state_dict, file)
            except RuntimeError as error:  # PyTorch's writer puts its own in place of that of the file
                if isinstance(error.__context__, OSError):
                    raise error.__context__ from None
                raise
            file.flush()
            os.fsync(file.fileno())

    def load(self, path: str, map_location: Any = None) -> Any:
        with torch.serialization.safe_globals(list(DEEPSPEED_OBJECTS)):
            return torch.load(path, map_location=map_location, weights_only=True)


def save_checkpoint(job: TrainingJob, engine: Any, distributed: Distributed, progress: TrainingProgress) -> None:
    """Everything a restart needs; it appears under its name only when all processes have written their part.

    Raises:
        StoreError: the disk is full; the checkpoints before this one are kept.
    """
    folder = checkpoint_folder(job.directory)
    optimizer_step = len(progress.metrics)
    unfinished = folder / (checkpoint_name(optimizer_step) + UNFINISHED_SUFFIX)
    engine.checkpoint_engine = DurableFiles()
    with _explained(unfinished, optimizer_step):
        if distributed.rank == 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            state = {**asdict(progress), "parameter_names": parameter_names(engine)}
            write_text(unfinished / PROGRESS_NAME, json.dumps(state, ensure_ascii=False))
        engine.save_checkpoint(str(folder), tag=unfinished.name, save_latest=False, exclude_frozen_parameters=True)
        dist.barrier()
        if distributed.rank == 0:
            seal(
                unfinished,
                optimizer_step=optimizer_step,
                num_processes=distributed.num_processes,
                zero_stage=job.zero_stage,
                optimizer=job.config.optimizer,
            )
            prune(folder, keep=job.keep_checkpoints)
    dist.barrier()


@contextmanager
def _explained(unfinished: Path, optimizer_step: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        folder = unfinished.parent
        shutil.rmtree(unfinished, ignore_errors=True)  # room for whoever needs it; the next start would delete it too
        whole = [path.name for path in whole_checkpoints(folder)]
        raise StoreError(
            f"the checkpoint of optimizer step {optimizer_step} could not be written: {error.strerror or error} "
            f"({size_text(free_bytes(folder))} free in {folder}). Free some space and run the same command again: it "
            f"goes on from {whole[-1] if whole else 'the beginning, since there is no whole checkpoint yet'}"
        ) from error


def resume(job: TrainingJob, engine: Any) -> TrainingProgress:
    """Load the checkpoint that the job names, if it does; returns the progress up to it."""
    if job.checkpoint is None:
        return TrainingProgress()
    saved = json.loads((job.checkpoint / PROGRESS_NAME).read_text(encoding="utf-8"))
    saved.pop("parameter_names")
    if job.universal is None:
        _load(engine, job.checkpoint)
    elif job.zero_stage == 0:
        load_unpartitioned(engine, job.universal)
    else:
        _load_universal(engine, job.universal)
    return TrainingProgress(**saved)


def _load(engine: Any, checkpoint: Path) -> None:
    engine.checkpoint_engine = DurableFiles()
    path, _ = engine.load_checkpoint(str(checkpoint.parent), tag=checkpoint.name, load_module_strict=False)
    if path is None:
        raise StoreError(f"{checkpoint} cannot be loaded; delete it to go on from the one before")


def _load_universal(engine: Any, universal: Path) -> None:
    """DeepSpeed gives every group the options of one of them; here each gets its own back.

    Each state also gets an optimizer step of its own on its device: PyTorch's fused AdamW counts there, and one that
    several states share would be counted several times.
    """
    groups = engine.optimizer.param_groups
    options = [{key: value for key, value in group.items() if key != "params"} for group in groups]
    _load(engine, universal)
    for group, own, rate in zip(groups, options, engine.lr_scheduler.get_last_lr(), strict=True):
        group.update({**own, "lr": rate})
    for weights, state in engine.optimizer.state.items():
        state["step"] = state["step"].to(weights.device, copy=True)
