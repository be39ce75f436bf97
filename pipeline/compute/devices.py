"""Turn-taking on this machine's devices: one step trains or encodes at a time, whoever started it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from pipeline.core.locks import locked

_descriptors: ContextVar[tuple[int, ...]] = ContextVar("descriptors_held", default=())


@contextmanager
def exclusive_devices() -> Iterator[None]:
    """Wait until no other step of this user uses the devices, and hold them."""
    path = Path(tempfile.gettempdir()) / f"llava-jp-devices-{os.getuid()}.lock"
    with held_alone(path, "waiting for the devices: another run on this machine uses them"):
        yield


@contextmanager
def held_alone(path: Path, why_waiting: str) -> Iterator[None]:
    """Hold the lock of a file. It goes when its process does, however that ends.

    A process that is given the ``descriptors_held`` holds it as well: the next run waits for workers that still save.
    """
    with locked(path, why_waiting) as file:
        token = _descriptors.set((*_descriptors.get(), file.fileno()))
        try:
            yield
        finally:
            _descriptors.reset(token)


def descriptors_held() -> tuple[int, ...]:
    """Of the locks that this process holds, for the processes it starts."""
    return _descriptors.get()
