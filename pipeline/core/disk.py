"""Space on the disk, and what to say when it runs out."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.core.errors import StoreError

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


def free_bytes(path: Path) -> int:
    """Free bytes of the disk that holds ``path``, or would hold it."""
    return shutil.disk_usage(_existing(path)).free


def free_files(path: Path) -> int | None:
    """How many more files the disk can hold; None where the file system has no such limit."""
    status = os.statvfs(_existing(path))
    return status.f_favail if status.f_files else None


def gigabytes(num_bytes: int) -> str:
    """``27.4 GB``, ``12.3 MB``, ``800 bytes``; decimal units as download pages use them."""
    if num_bytes < 1000:
        return f"{num_bytes} bytes"
    for unit, size in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if num_bytes < 999.95 * size:
            return f"{num_bytes / size:.1f} {unit}"
    return f"{num_bytes / 1e12:.2f} TB"


@contextmanager
def explaining_full_disk(what: str, folder: Path) -> Iterator[None]:
    """Turn an error of a full, read-only or forbidden disk into one that says what to do.

    Raises:
        StoreError: in place of such an ``OSError``; other errors go through.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        raise StoreError(
            f"{what} cannot write to {folder}: {os.strerror(error.errno)} ({gigabytes(free_bytes(folder))} free). "
            "Make room or give access, and run the same command again: finished files are kept"
        ) from error


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())
