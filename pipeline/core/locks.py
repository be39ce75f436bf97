"""Locks between processes: ``flock`` on a file, which a shared file system must support.

A lock goes when its process does, however that ends.
"""

import fcntl
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pipeline.core.errors import StoreError

log = logging.getLogger(__name__)


@contextmanager
def locked(path: Path, why_waiting: str, *, is_shared: bool = False) -> Iterator[IO[Any]]:
    """Hold the lock of a file, which is made if it is not there; whoever has it is waited for, and that is said."""
    kind = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(open_lock(path), "rb") as file:
        take_lock(file, f"{why_waiting} ({path})", kind)
        yield file


def open_lock(path: Path) -> int:
    """A descriptor of a lock's file, which is made if it is not there. Nothing is ever written to it.

    It may lie in a folder where others write, and may be another user's: that one can only be read, which is enough.

    Raises:
        StoreError: something else is there, such as a link: what it leads to is not touched.
    """
    flags = os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe would be waited for
    try:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)
        except PermissionError:
            descriptor = os.open(path, os.O_RDONLY | flags)
    except OSError as error:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise _no_lock(path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _no_lock(path)
    return descriptor


def _no_lock(path: Path) -> StoreError:
    return StoreError(f"{path} should be the file of a lock and is a link or something else; look at it and remove it")


def take_lock(file: IO[Any], why_waiting: str, kind: int = fcntl.LOCK_EX) -> None:
    """Take the lock of an open file, which closing it gives back; whoever has it is waited for, and that is said."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("%s", why_waiting)
        fcntl.flock(file, kind)


def locked_at_once(path: Path) -> IO[Any] | None:
    """The open file whose lock is held until it is closed; None when another process has it or its folder is gone."""
    try:
        file = open(open_lock(path), "rb")  # noqa: SIM115  # closing it gives the lock back
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
