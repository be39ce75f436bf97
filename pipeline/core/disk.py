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
DISK_ERRORS = (*FULL, errno.EFBIG, errno.EROFS, errno.EACCES)
FAULTS = (*DISK_ERRORS, errno.EPERM, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.EREMOTEIO, errno.EBUSY)
"""What is wrong with a disk or a machine, never with our own code."""


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
        advice = (
            "Free some space" if error.errno in FULL else TOO_LARGE if error.errno == errno.EFBIG else "Give access"
        )
        raise StoreError(
            f"{what} cannot write to {folder}: {os.strerror(error.errno)} ({size_text(free_bytes(folder))} free). "
            f"{advice} and run the same command again: finished files are kept"
        ) from error


TOO_LARGE = "Raise `ulimit -f`, or use a file system that holds larger files"
ADVICE = {
    **dict.fromkeys(FULL, "free some space and run the same command again: what is finished is kept"),
    errno.EROFS: "it cannot be written there: make it writable, or name another folder (LLAVA_JP_STORE for the store)",
    errno.EACCES: "give access to it, or name another folder (LLAVA_JP_STORE for the store)",
    errno.EPERM: "give access to it, or name another folder (LLAVA_JP_STORE for the store)",
    errno.ENOENT: "it was there, or should be: bring it back; of what lies in the store, `llava-jp verify` says more",
    errno.EEXIST: "something else stands in its place: move it away",
    errno.ENOTDIR: "a file stands where a folder should be: move it away",
    errno.EISDIR: "a folder stands where a file should be: move it away",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EIO: "the disk does not read or write it: look at the system's log, and have a copy before you go on",
    errno.ESTALE: "its file system has lost it: mount it again",
    errno.EREMOTEIO: "the disk does not read or write it: look at the system's log, and have a copy before you go on",
    errno.EMFILE: "too many files are open: raise `ulimit -n`",
    errno.ENFILE: "too many files are open on this machine: end what holds them",
    errno.EFBIG: "no file may become so large: raise `ulimit -f`, or use a file system that holds larger files",
    errno.ELOOP: "links lead to each other: remove them",
    errno.EBUSY: "another program uses it: end that",
    errno.ENOTEMPTY: "something else lies in its place: move it away",
}
"""What to do about an error of the operating system."""


NUMBERS = {FileNotFoundError: errno.ENOENT, PermissionError: errno.EACCES, FileExistsError: errno.EEXIST}
"""Of errors that a library raises without one."""


def system_error_text(error: OSError) -> str | None:
    """An error of a file or a disk in one sentence, with what to do; None for others, such as those of a network."""
    number = error.errno or NUMBERS.get(type(error))
    if number not in ADVICE:
        return None
    if isinstance(error.filename, str | bytes):
        return f"{os.fsdecode(error.filename)!r}: {os.strerror(number)}; {ADVICE[number]}"
    return f"{error.strerror if error.errno else f'{error}: {os.strerror(number)}'}; {ADVICE[number]}"


FULL_TEXTS = {
    os.strerror(errno.ENOSPC): errno.ENOSPC,
    os.strerror(errno.EDQUOT): errno.EDQUOT,
    "database or disk is full": errno.ENOSPC,
    os.strerror(errno.EFBIG): errno.EFBIG,
}
"""How libraries that are not written in Python say it, in errors of their own: safetensors, PyTorch, SQLite, DuckDB."""


def full_disk_text(error: BaseException) -> str | None:
    """The same for any error that says in its text alone that a disk is full, or a file too large; None for others."""
    for line in str(error).splitlines():
        if number := next((number for text, number in FULL_TEXTS.items() if text in line), None):
            return f"{line}; {ADVICE[number]}"
    return None


def is_writable(folder: Path) -> bool:
    """Whether something could be written there; nothing is."""
    return os.access(_existing(folder), os.W_OK)


def _is_elsewhere(error: OSError, folder: Path) -> bool:
    """Whether an error names a file that is not below the folder, such as one that is only read."""
    return isinstance(error.filename, str) and not Path(error.filename).resolve().is_relative_to(folder.resolve())


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())
