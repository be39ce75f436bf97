"""Files that appear under their names only when they are complete and on the disk, and what is in a folder."""

import glob
import hashlib
import os
from pathlib import Path


def sha256_of_file(path: Path) -> str:
    """Hex sha256 of a file's content, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


UNFINISHED_SUFFIX = ".tmp"
"""Ending of a file that is being written; such a file is never published."""


def write_text(path: Path, text: str) -> None:
    """Write a text file that appears under its name only when it is complete and on disk."""
    unfinished = path.with_name(path.name + UNFINISHED_SUFFIX)
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


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
