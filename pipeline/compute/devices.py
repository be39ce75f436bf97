"""Turn-taking on this machine's devices: one step at a time trains or encodes on a device, whoever started it."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path

from pipeline.core.locks import open_lock, take_lock

GPU_LOCKS = Path("/tmp")
"""Whoever starts a run on this machine finds the same locks there, whatever ``TMPDIR`` is."""

_descriptors: ContextVar[tuple[int, ...]] = ContextVar("descriptors_held", default=())


@contextmanager
def exclusive_devices(count: int, *, store_root: Path) -> Iterator[None]:
    """Wait until no other step uses the devices that ``count`` processes of this machine take, and hold them.

    These are the first of the visible GPUs. Without a GPU it is the CPU: of one store, on one machine.
    """
    with ExitStack() as held:
        for path in _locks(count, store_root):
            held.enter_context(held_alone(path, "waiting for the devices: another run on this machine uses them"))
        yield


def _locks(count: int, store_root: Path) -> list[Path]:
    """In one order for everyone, so that no two runs hold what the other one waits for."""
    if not count:
        return []
    if gpus := visible_gpus():
        return sorted(GPU_LOCKS / f"llava-jp-gpu-{gpu}.lock" for gpu in set(gpus[:count]))
    store_root.mkdir(parents=True, exist_ok=True)
    return [store_root / f"cpu-{socket.gethostname()}.lock"]


def visible_gpus() -> list[str]:
    """UUIDs of the GPUs that a process started from here would have, in the order of their numbers there."""
    command = [sys.executable, "-I", str(Path(__file__).with_name("cuda_devices.py"))]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()


@contextmanager
def held_alone(path: Path, why_waiting: str) -> Iterator[None]:
    """Hold the lock of a file. It goes when its process does, however that ends.

    A process that is given the ``descriptors_held`` holds it as well: the next run waits for workers that still save.
    """
    with open(_open(path), "rb") as file:
        take_lock(file, f"{why_waiting} ({path})")
        token = _descriptors.set((*_descriptors.get(), file.fileno()))
        try:
            yield
        finally:
            _descriptors.reset(token)


def _open(path: Path) -> int:
    """A descriptor of a lock's file; what this user has made others can hold as well."""
    descriptor = open_lock(path)
    status = os.fstat(descriptor)
    if status.st_uid == os.getuid() and status.st_nlink == 1:  # not another name of a file that is nobody's affair
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode) | 0o444)  # also for one whose umask hides it
    return descriptor


def descriptors_held() -> tuple[int, ...]:
    """Of the locks that this process holds, for the processes it starts."""
    return _descriptors.get()
