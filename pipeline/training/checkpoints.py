"""Checkpoints of a training: written aside, renamed when whole, and where a restart goes on."""

import json
import os
import shutil
from typing import Any

from deepspeed import comm as dist

from pipeline.errors import ConfigError
from pipeline.store import UNFINISHED_SUFFIX, WORK_FOLDER
from pipeline.training.ranks import Ranks
from pipeline.training.stage import TrainingJob

CHECKPOINT_PREFIX = "optimizer_step-"


def save_checkpoint(job: TrainingJob, engine: Any, ranks: Ranks, metrics: list[dict[str, float]]) -> None:
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


def resume(job: TrainingJob, engine: Any, ranks: Ranks) -> list[dict[str, float]]:
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
