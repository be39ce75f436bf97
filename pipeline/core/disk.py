"""Space on the disk, and what to say when it runs out."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.core.errors import StoreError
from pipeline.core.wording import size_text

FULL = (errno.ENOSPC, errno.EDQUOT)
DISK_ERRORS = (*FULL, errno.EROFS, errno.EACCES)


def free_bytes(path: Path) -> int:
    """Free bytes of the disk that holds ``path``, or would hold it."""
    return shutil.disk_usage(_existing(path)).free


def free_files(path: Path) -> int | None:
    """How many more files the disk can hold; None where the file system has no such limit."""
    status = os.statvfs(_existing(path))
    return status.f_favail if status.f_files else None


@contextmanager
def explaining_full_disk(what: str, folder: Path) -> Iterator[None]:
    """Turn an error of a full, read-only or forbidden disk, below ``folder``, into one that says what to do.

    Raises:
        StoreError: in place of such an ``OSError``; other errors go through.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS or (error.errno == errno.EACCES and _is_elsewhere(error, folder)):
            raise
        advice = "Free some space" if error.errno in FULL else "Give access"
        raise StoreError(
            f"{what} cannot write to {folder}: {os.strerror(error.errno)} ({size_text(free_bytes(folder))} free). "
            f"{advice} and run the same command again: finished files are kept"
        ) from error


def _is_elsewhere(error: OSError, folder: Path) -> bool:
    """Whether an error names a file that is not below the folder, such as one that is only read."""
    return isinstance(error.filename, str) and not Path(error.filename).resolve().is_relative_to(folder.resolve())


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())
