"""Turn-taking on this machine's devices: one step trains or encodes at a time, whoever started it."""

import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)


@contextmanager
def exclusive_devices() -> Iterator[None]:
    """Wait until no other step of this user uses the devices. The lock goes when its process does, however it ends."""
    path = Path(tempfile.gettempdir()) / f"llava-jp-devices-{os.getuid()}.lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("waiting for the devices: another run on this machine uses them (%s)", path)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
