"""Where a training goes on: its last sound checkpoint, converted when the processes or the ZeRO stage are others."""

import logging
from pathlib import Path
from typing import Literal

from pipeline.compute.hosts import Host
from pipeline.compute.launch import launch
from pipeline.core.errors import ConfigError
from pipeline.core.files import write_text
from pipeline.store.manifest import Record
from pipeline.training.checkpoints.folder import (
    UNIVERSAL_SUFFIX,
    CheckpointRecord,
    checkpoint_folder,
    last_sound_checkpoint,
    read_record,
)

log = logging.getLogger(__name__)


class ConversionJob(Record):
    """A checkpoint to write in its universal form; ``pipeline.compute.worker`` does it."""

    entry: Literal["pipeline.training.work"] = "pipeline.training.work"
    kind: Literal["convert"] = "convert"
    checkpoint: Path
    target: Path


def find_start(directory: Path, *, num_processes: int, zero_stage: int) -> tuple[Path | None, Path | None]:
    """The checkpoint to go on from, if there is one, and its universal form, if the processes need that.

    Raises:
        ConfigError: it can only be continued as it was made.
    """
    checkpoint = last_sound_checkpoint(checkpoint_folder(directory))
    if checkpoint is None:
        return None, None
    record = read_record(checkpoint)
    if record.zero_stage == zero_stage and (zero_stage == 0 or record.num_processes == num_processes):
        return checkpoint, None
    _require_convertible(checkpoint, record, num_processes=num_processes, zero_stage=zero_stage)
    universal = checkpoint.with_name(checkpoint.name + UNIVERSAL_SUFFIX)
    if not universal.exists():
        log.info(
            "%s was made with %d processes and ZeRO stage %d; it is converted for %d and %d",
            *(checkpoint, record.num_processes, record.zero_stage, num_processes, zero_stage),
        )
        job_file = directory / "work" / "convert.json"
        write_text(job_file, ConversionJob(checkpoint=checkpoint, target=universal).model_dump_json(indent=2))
        launch(job_file, hosts=(Host("localhost", 1),), master_port=None, seconds_to_stop=0)
    return checkpoint, universal


def _require_convertible(checkpoint: Path, record: CheckpointRecord, *, num_processes: int, zero_stage: int) -> None:
    """8-bit moments are quantised in blocks of each process's part, so that they cannot be cut anew."""
    if record.optimizer == "adamw":
        return
    raise ConfigError(
        f"{checkpoint} was made with {record.num_processes} processes and ZeRO stage {record.zero_stage}, this run has "
        f"{num_processes} and {zero_stage}, and the moments of optimizer: {record.optimizer} cannot be divided anew; "
        f"go on with LLAVA_JP_NUM_PROCESSES={record.num_processes} LLAVA_JP_ZERO_STAGE={record.zero_stage}, "
        f"or delete {checkpoint.parent} to start the stage again"
    )
