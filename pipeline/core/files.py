"""Files that appear under their names only when they are complete and on the disk, and what is in a folder."""

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED_SUFFIX = ".tmp"
"""Ending of a file that is being written; such a file is never published."""


@contextmanager
def appearing(path: Path, *, is_flushed: bool = True) -> Iterator[Path]:
    """Another name to write a file under: it gets its own when the block ends without an error and it is on the disk.

    ``is_flushed=False`` is for whoever flushes it later, as the publication of an artifact does.
    """
    unfinished = path.with_name(path.name + UNFINISHED_SUFFIX)
    yield unfinished
    if is_flushed:
        flush(unfinished)
    os.replace(unfinished, path)


@contextmanager
def appearing_folder(folder: Path) -> Iterator[Path]:
    """The same for a folder, which must not be there; after an error nothing of it is left."""
    unfinished = folder.with_name(f".{folder.name}{UNFINISHED_SUFFIX}")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        for path in unfinished.rglob("*"):
            flush(path)
        os.replace(unfinished, folder)
        flush(folder.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file that appears under its name only when it is complete and on disk."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """The same for any content."""
    with appearing(path) as unfinished:
        unfinished.write_bytes(content)


def flush(path: Path) -> None:
    """Ask the kernel to bring a file or a directory entry to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def files_below(directory: Path) -> dict[str, Path]:
    """Every file by its name relative to the directory, with ``/``, sorted."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path for path in paths}


def files_of_pattern(pattern: str) -> list[Path]:
    """The files that a pattern such as ``data/*.parquet`` means, sorted."""
    return sorted(path for name in glob.glob(pattern, recursive=True) if (path := Path(name)).is_file())


def files_meant(path: str) -> list[Path]:
    """The file of this path, or the files of this pattern; a folder is no file."""
    return [Path(path)] if Path(path).exists() else files_of_pattern(path)


def ending_of(path: Path) -> str:
    """What a file's name ends in, in lower case: ``jsonl``, or ``jsonl.gz`` of a compressed one."""
    *_, before, last = ("", "", *path.name.lower().split("."))
    return f"{before}.{last}" if last == "gz" and before else last
