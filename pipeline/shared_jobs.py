"""A part of a job on another machine, which has the store under the same path. Called by ``flows.ray_encoding``.

Whatever goes wrong there is raised as an error of ``pipeline.errors`` with a message alone, so that it can travel.
"""

import json
import socket
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.calibration import CalibrationJob
from pipeline.encoding_job import EncodingJob, encode_part
from pipeline.errors import ConfigError
from pipeline.feature_filling import read_shards
from pipeline.launch import RAISED_AGAIN
from pipeline.worker import explained, run_calibration


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a job: every ``of``-th shard, beginning at shard ``number``, as the ranks of ``pipeline.worker``."""

    number: int
    of: int


@dataclass(frozen=True, slots=True)
class Done:
    """What a part came to."""

    num_images: int
    note: str
    """Where the time went."""


def run_part(job_file: Path, part: Part, *, num_decoders: int) -> Done:
    """Encode some shards; the tower stays in this process for its next part. A calibration has one part only.

    Raises:
        ConfigError: this machine does not have the store under the same path.
        PipelineError, TransientError: what stopped the work; a bug is a RuntimeError with its traceback as message.
    """
    with _raised_again(job_file):
        text = _read(job_file)
        local = {"num_decoders": num_decoders}
        if json.loads(text)["kind"] == "calibrate":
            run_calibration(CalibrationJob.model_validate_json(text).model_copy(update=local), job_file.parent)
            return Done(0, "")
        job = EncodingJob.model_validate_json(text).model_copy(update=local)
        shards = list(read_shards(job.shards).values())[part.number :: part.of]
        notes = [""]
        encode_part(job, shards, advance=lambda _, note: notes.append(note))
        return Done(sum(map(len, shards)), notes[-1])


def _read(job_file: Path) -> str:
    try:
        return job_file.read_text(encoding="utf-8")
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
