"""``llava-jp`` or one of its workers on a disk with faults, without rights that a user lacks.

    FAULTY_DISK='{"errno": 28, "after": 120, "times": 1, "below": "/store", "reads": false}'
    FAULTY_DISK='{"file_bytes": 300000, "below": "/store"}'

The first lets what Python asks of files below a folder fail from the n-th time on; Python's audit events come before
each call of the system. The second bounds the size of every file (RLIMIT_FSIZE), also of those that C++ or Rust writes.
"""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

VARIABLE = "FAULTY_DISK"
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.truncate", "sqlite3.connect")
LOOKS = ("os.listdir", "os.scandir")


class FaultyDisk:
    """An audit hook that counts, and raises when its time has come."""

    def __init__(self, fault: dict[str, Any]) -> None:
        self._errno = fault["errno"]
        self._after = fault["after"]
        self._times = fault["times"]
        self._below = fault["below"].rstrip("/") + "/"
        self._reads = fault["reads"]

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            concerned = self._reads or bool(isinstance(flags, int) and flags & WRITING)
        elif event in CHANGES or (self._reads and event in LOOKS):
            path, concerned = arguments[0], True
        else:
            return
        if not concerned or isinstance(path, int) or path is None:
            return
        try:
            name = os.fsdecode(path)
        except TypeError:
            return
        if not name.startswith(self._below):
            return
        self._after -= 1
        if self._after < 0 and self._times:
            self._times -= 1
            raise OSError(self._errno, os.strerror(self._errno), name)


def install() -> None:
    """Have the fault that the environment describes, in this process and in the workers that it starts."""
    from pipeline.compute import launch

    fault = json.loads(os.environ[VARIABLE])
    launch.WORKER = (*launch.WORKER[:-1], "tests.support.faulty_disk")
    if "file_bytes" in fault:
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault["file_bytes"], resource.RLIM_INFINITY))
    else:
        sys.addaudithook(FaultyDisk(fault))


def main() -> int | None:
    """The command, or a worker if a job file is given."""
    install()
    if sys.argv[-1].endswith(".json"):
        import torch

        from pipeline.compute.worker import main as work

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        return work(Path(sys.argv[-1]))
    from flows.cli.main import main as command

    command()
    return None
