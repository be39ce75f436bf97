"""Locks between processes: ``flock`` on a file, which a shared file system must support.

A lock goes when its process does, however that ends.
"""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

log = logging.getLogger(__name__)


@contextmanager
def locked(path: Path, why_waiting: str, *, is_shared: bool = False) -> Iterator[IO[Any]]:
    """Hold the lock of a file, which is made if it is not there; whoever has it is waited for, and that is said."""
    kind = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        take_lock(file, f"{why_waiting} ({path})", kind)
        yield file


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
        file = path.open("a")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
