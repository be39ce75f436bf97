"""Runs the jobs of the feature steps in this process: worker processes take seconds to start."""

import os
from pathlib import Path
from unittest import mock

import torch

from pipeline.worker import run_job


def run_here(job_file: Path, num_processes: int | None) -> None:
    """All of a job, as one worker process would do it."""
    num_threads = torch.get_num_threads()
    try:
        with mock.patch.dict(os.environ, RANK="0", WORLD_SIZE="1"):
            run_job(job_file)
    finally:
        torch.set_num_threads(num_threads)
