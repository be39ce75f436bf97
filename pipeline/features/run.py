"""Runs the jobs of the feature steps: in a process for each device, or in this one where there is only a CPU."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from pipeline.compute.hosts import Host
from pipeline.compute.launch import WorkerEvent, WorkersProgress, launch
from pipeline.compute.worker import Supervisor
from pipeline.core.files import write_text
from pipeline.core.settings import Settings
from pipeline.features.cache import read_shards
from pipeline.features.calibration import CalibrationJob, calibrate
from pipeline.features.encoding_job import EncodingJob, encode_part

FeatureJob = EncodingJob | CalibrationJob
Report = Callable[[WorkerEvent], None]


def read_job(job_file: Path) -> FeatureJob:
    """The job of a file."""
    text = job_file.read_text(encoding="utf-8")
    job_class = EncodingJob if json.loads(text)["kind"] == "encode" else CalibrationJob
    return job_class.model_validate_json(text)


def run_feature_job(job_file: Path, *, settings: Settings) -> None:
    """Run a job to its end on the devices of this machine.

    Raises:
        PipelineError, TransientError: what stopped it; finished shards are kept.
    """
    num_processes = 1 if isinstance(read_job(job_file), CalibrationJob) else settings.num_processes
    if num_processes == 1 and not torch.cuda.is_available():
        num_decoders = settings.num_decoders or 0
        do_job(job_file, rank=0, num_processes=1, num_decoders=num_decoders, report=WorkersProgress().update)
    else:
        launch(
            job_file,
            hosts=(Host("localhost", num_processes),),
            master_port=settings.master_port,
            seconds_to_stop=settings.seconds_to_stop,
        )


def work(job_file: Path, _supervisor: Supervisor, settings: Settings) -> None:
    """A worker process's part of a job."""
    rank, num_processes = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    num_decoders = settings.effective_num_decoders
    do_job(job_file, rank=rank, num_processes=num_processes, num_decoders=num_decoders, report=WorkerEvent.report)


def do_job(job_file: Path, *, rank: int, num_processes: int, num_decoders: int, report: Report) -> None:
    """Do a process's part of a job: every n-th shard in the order of the job; a calibration is not divided."""
    job = read_job(job_file)
    with one_thread_on_a_cpu():
        if isinstance(job, CalibrationJob):
            summary = calibrate(job, num_decoders=num_decoders)
            write_text(job_file.parent / "summary.json", summary.model_dump_json())
            return
        shards = list(read_shards(job.shards).values())
        total = job.num_images
        encode_part(
            job,
            shards[rank::num_processes],
            num_decoders=num_decoders,
            num_processes=num_processes,
            advance=lambda count, note: report(WorkerEvent("encode images", 0, count, total, "images", note)),
        )


@contextmanager
def one_thread_on_a_cpu() -> Iterator[None]:
    """On a CPU the last bits of a matrix product depend on the number of threads; features must not."""
    num_threads = torch.get_num_threads()
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)
