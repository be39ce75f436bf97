"""The folder of a training's checkpoints: each appears when it is whole, is checked before it is used, and then goes.

work/checkpoints/optimizer_step-00000500/                what the processes wrote, progress.json, checkpoint.json
work/checkpoints/optimizer_step-00000500.universal/      the same for any number of processes, made when needed
work/checkpoints/optimizer_step-00000500.damaged/        set aside: a file was cut or changed
work/checkpoints/optimizer_step-00001000.tmp/            being written, or left by a crash
"""

import logging
import os
import shutil
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.core.files import UNFINISHED_SUFFIX, files_below, flush, write_text
from pipeline.core.wording import size_text
from pipeline.store.artifacts import WORK_FOLDER
from pipeline.store.manifest import Record

log = logging.getLogger(__name__)

PREFIX = "optimizer_step-"
RECORD_NAME = "checkpoint.json"
PROGRESS_NAME = "progress.json"
UNIVERSAL_SUFFIX = ".universal"
DAMAGED_SUFFIX = ".damaged"
NUM_DIGITS = 8


class CheckpointRecord(Record):
    """How a checkpoint was made, and the size of each of its files; written last."""

    optimizer_step: int
    num_processes: int
    zero_stage: int
    optimizer: str
    files: dict[str, int]


def checkpoint_folder(directory: Path) -> Path:
    """Where the checkpoints of a stage's partial directory lie."""
    return directory / WORK_FOLDER / "checkpoints"


def checkpoint_name(optimizer_step: int) -> str:
    return f"{PREFIX}{optimizer_step:0{NUM_DIGITS}d}"


def read_record(checkpoint: Path) -> CheckpointRecord:
    return CheckpointRecord.model_validate_json((checkpoint / RECORD_NAME).read_text(encoding="utf-8"))


def whole_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints that were written to their end, oldest first."""
    return sorted(path.parent for path in folder.glob(f"{PREFIX}{'[0-9]' * NUM_DIGITS}/{RECORD_NAME}"))


def seal(unfinished: Path, *, optimizer_step: int, num_processes: int, zero_stage: int, optimizer: str) -> Path:
    """Give a checkpoint whose files are all on the disk its record and its name."""
    sizes = {name: path.stat().st_size for name, path in files_below(unfinished).items()}
    record = CheckpointRecord(
        optimizer_step=optimizer_step,
        num_processes=num_processes,
        zero_stage=zero_stage,
        optimizer=optimizer,
        files=sizes,
    )
    write_text(unfinished / RECORD_NAME, record.model_dump_json(indent=2))
    flush(unfinished)
    checkpoint = unfinished.with_name(checkpoint_name(optimizer_step))
    os.replace(unfinished, checkpoint)
    flush(checkpoint.parent)
    return checkpoint


def prune(folder: Path, *, keep: int) -> None:
    """Delete all but the last whole checkpoints, and what is left of others."""
    kept = {path.name for path in whole_checkpoints(folder)[-keep:]}
    for path in folder.glob(f"{PREFIX}*"):
        if path.name not in kept:
            shutil.rmtree(path)


def last_sound_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint whose every byte is as it was written; damaged ones are set aside with a warning."""
    for unfinished in folder.glob(f"{PREFIX}*{UNFINISHED_SUFFIX}"):
        shutil.rmtree(unfinished)  # left by a crash in the middle of a write
    for checkpoint in reversed(whole_checkpoints(folder)):
        size = sum(read_record(checkpoint).files.values())
        log.info("%s: %s are compared with their checksums", checkpoint.name, size_text(size))
        problems = list(problems_of(checkpoint))
        if not problems:
            return checkpoint
        aside = checkpoint.with_name(checkpoint.name + DAMAGED_SUFFIX)
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(checkpoint, aside)
        log.warning("%s IS DAMAGED and is not used: %s; it lies in %s", checkpoint, "; ".join(problems), aside.name)
    return None


def problems_of(checkpoint: Path) -> Iterator[str]:
    """What is wrong with a whole checkpoint: files that are missing, cut, or whose checksums do not fit."""
    sizes = read_record(checkpoint).files
    with ThreadPoolExecutor() as pool:
        found = pool.map(_problem, (checkpoint / name for name in sizes), sizes.values())
        for name, problem in zip(sizes, found, strict=True):
            if problem:
                yield f"{name} {problem}"


def _problem(path: Path, size: int) -> str:
    """PyTorch writes a zip archive with checksums, and does not compare them when it reads."""
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != size:
        return f"has {path.stat().st_size} bytes in place of {size}"
    if path.suffix != ".pt":
        return ""
    try:
        with zipfile.ZipFile(path) as archive:
            return "does not fit its checksum" if archive.testzip() else ""
    except zipfile.BadZipFile as error:
        return f"cannot be read ({error})"
