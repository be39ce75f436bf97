"""What a worker process does for a training stage: the jobs of ``pipeline.training.job`` and of a conversion."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from pipeline.compute.worker import Supervisor
from pipeline.core.settings import Settings
from pipeline.training.checkpoints.resume import ConversionJob
from pipeline.training.job import TrainingJob
from pipeline.training.stopping import StopRequest


def work(job_file: Path, supervisor: Supervisor, _settings: Settings) -> None:
    """Train, or convert a checkpoint."""
    choose_accelerator()
    text = job_file.read_text(encoding="utf-8")
    if json.loads(text)["kind"] == "convert":
        from pipeline.training.checkpoints.convert import convert

        convert(ConversionJob.model_validate_json(text))
        return
    job = TrainingJob.model_validate_json(text)
    stop = StopRequest(seconds=job.seconds_to_stop)
    stop.listen()
    supervisor.on_end = stop.ask
    with _as_if_not_installed("mlflow", "boto3"):  # DeepSpeed's tuner and Accelerate's set-up load them: 1.6 s
        from pipeline.training.loop import train  # DeepSpeed reads the environment when it is imported

    train(job, stop)


def choose_accelerator() -> None:
    """Tell DeepSpeed, before it is imported, what a rank takes; by itself it says on standard output what it found."""
    os.environ["DS_ACCELERATOR"] = "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def _as_if_not_installed(*names: str) -> Iterator[None]:
    """Spare the enclosed imports packages that they load where they are there, and that a worker has no use for."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # what makes an import fail
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
