"""A part of a job on another machine, which has the store under the same path. Called by ``flows.runtime.ray``.

Whatever goes wrong there is raised as an error of ``pipeline.core.errors`` with a message alone, so that it can travel.
"""

import json
import socket
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from pipeline.compute.launch import RAISED_AGAIN, WorkerEvent
from pipeline.compute.worker import explained
from pipeline.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a job: every ``of``-th shard or batch, beginning at ``number``, as the ranks of a worker process."""

    number: int
    of: int


@dataclass(frozen=True, slots=True)
class Done:
    """What a part came to."""

    num_done: int
    """Images or items."""
    note: str
    """Where the time went."""


def run_part(job_file: Path, part: Part, *, num_decoders: int) -> Done:
    """Encode some shards or ask some batches; the model stays in this process for its next part.

    A calibration has one part only.

    Raises:
        ConfigError: this machine does not have the store under the same path.
        PipelineError, TransientError: what stopped the work; a bug is a RuntimeError with its traceback as message.
    """
    with _raised_again(job_file):
        _require_readable(job_file)
        events: list[WorkerEvent] = []
        entry = import_module(json.loads(job_file.read_text(encoding="utf-8"))["entry"])
        entry.do_job(job_file, rank=part.number, num_processes=part.of, num_decoders=num_decoders, report=events.append)
        return Done(sum(event.count for event in events), events[-1].note if events else "")


def _require_readable(job_file: Path) -> None:
    try:
        job_file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{socket.gethostname()} cannot read {job_file} ({error.strerror}); the store (LLAVA_JP_STORE) must lie on "
            "a file system that all machines share, under the same path on each"
        ) from error


@contextmanager
def _raised_again(job_file: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        told = explained(error, job_file)
        if told["type"] in RAISED_AGAIN:
            raise RAISED_AGAIN[told["type"]](told["message"]) from error
        raise RuntimeError(f"{socket.gethostname()}: {''.join(traceback.format_exception(error))}") from error
