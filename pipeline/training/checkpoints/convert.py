"""A checkpoint for any number of processes and any ZeRO stage: DeepSpeed's universal checkpoint. A worker's job.

What DeepSpeed's converter leaves out is added: states without a partition (ZeRO 0), the optimizer step beside each
parameter, and metadata that every stage can read, so that all ways between the stages are open.
"""

import json
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from deepspeed import __version__ as deepspeed_version
from deepspeed.checkpoint import ds_to_universal

from pipeline.core.files import appearing_folder
from pipeline.training.checkpoints.folder import PROGRESS_NAME, read_record
from pipeline.training.checkpoints.resume import ConversionJob
from pipeline.training.checkpoints.zero0 import MODEL_STATES, MOMENTS, universal_state

FIRST_OF_ZERO_3 = f"zero_pp_rank_0_{MODEL_STATES}"
NOT_NEEDED = ("module", "optimizer", "param_shapes", "buffer_names", "frozen_param_shapes", "frozen_param_fragments")
"""States of the first process that a universal checkpoint holds in another form."""


def convert(job: ConversionJob) -> None:
    """Write the universal form of a checkpoint; it appears under its name when it is whole."""
    record = read_record(job.checkpoint)
    with appearing_folder(job.target) as unfinished:
        if record.zero_stage:
            _convert_partitioned(job.checkpoint, unfinished)
        else:
            _convert_unpartitioned(job.checkpoint, unfinished)
        _complete(job.checkpoint, unfinished, optimizer_step=record.optimizer_step)


def _convert_partitioned(checkpoint: Path, target: Path) -> None:
    workers = min(4, os.cpu_count() or 1)
    ds_to_universal.main(
        Namespace(
            input_folder=str(checkpoint),
            output_folder=str(target),
            num_extract_workers=workers,
            num_merge_workers=workers,
            keep_temp_folder=False,
            strict=True,
            inject_missing_state=True,
        )
    )
    (target.parent / "latest_universal").unlink()


def _convert_unpartitioned(checkpoint: Path, target: Path) -> None:
    names = json.loads((checkpoint / PROGRESS_NAME).read_text(encoding="utf-8"))["parameter_names"]
    for name, tensors in universal_state(_load(checkpoint / MODEL_STATES), names):
        folder = target / "zero" / name
        folder.mkdir(parents=True)
        for key, tensor in tensors.items():
            torch.save({"param": tensor.clone()}, folder / f"{key}.pt")


def _complete(checkpoint: Path, target: Path, *, optimizer_step: int) -> None:
    step = torch.tensor(float(optimizer_step))  # none is ever skipped
    for weights in (target / "zero").rglob("fp32.pt"):
        torch.save(step, weights.with_name("step.pt"))
        for path in (weights.with_name(f"{key}.pt") for key in ("fp32", *MOMENTS)):
            if torch.is_tensor(tensor := _load(path)):  # of ZeRO-3, which alone can read it so
                torch.save({"param": tensor}, path)
    first = next(path for path in (checkpoint / MODEL_STATES, checkpoint / FIRST_OF_ZERO_3) if path.exists())
    states = _load(first)
    groups: list[dict[str, Any]] = [{} for _ in states["lr_scheduler"]["base_lrs"]]
    common = {"state": {0: {"step": step}}, "param_groups": groups}
    optimizer = {"ds_version": deepspeed_version, "param_groups": groups, "optimizer_state_dict": common}
    torch.save(optimizer, target / "zero" / "optimizer_state.pt")
    for path in target.glob("*.pt"):
        path.unlink()
    for name in (MODEL_STATES, FIRST_OF_ZERO_3):
        torch.save({key: value for key, value in states.items() if key not in NOT_NEEDED}, target / name)


def _load(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)
