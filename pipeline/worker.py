"""One process of a job: ``python -m pipeline.worker job.json``, started on every device by ``pipeline.launch``.

By hand, for debugging: the same command with RANK=0 WORLD_SIZE=1 LOCAL_RANK=0 MASTER_ADDR=127.0.0.1 MASTER_PORT=29500.
"""

import errno
import json
import os
import sys
import threading
from pathlib import Path

import torch

from pipeline.errors import PipelineError, StoreError, TransientError
from pipeline.launch import ERROR_MARK, FOLLOWS_STDIN, WorkerEvent, say
from pipeline.settings import load_settings
from pipeline.training.stage import TrainingJob


def main(job_file: Path) -> int:
    """Run the job; say in one line what stopped it."""
    if FOLLOWS_STDIN in os.environ:
        _end_with_supervisor()
    try:
        _run(job_file)
    except Exception as error:
        say(ERROR_MARK, explained(error, job_file))
        raise
    return 0


def _run(job_file: Path) -> None:
    kind = json.loads(job_file.read_text(encoding="utf-8"))["kind"]
    if kind == "train":
        from pipeline.training.optimizer_loop import (
            train,  # DeepSpeed takes seconds to import, and reads the environment then
        )

        train(TrainingJob.model_validate_json(job_file.read_text(encoding="utf-8")))
    else:
        from pipeline.features.jobs import do_job

        rank, num_processes = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        num_decoders = load_settings().effective_num_decoders
        do_job(job_file, rank=rank, num_processes=num_processes, num_decoders=num_decoders, tell=WorkerEvent.tell)


def explained(error: Exception, job_file: Path) -> dict[str, str]:
    """The error as one of ``pipeline.errors``, by name, or as a bug of ours."""
    if isinstance(error, PipelineError | TransientError):
        return {"type": type(error).__name__, "message": str(error)}
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        message = f"no space left for the work of {job_file.parent}; free some and run again ({error})"
        return {"type": StoreError.__name__, "message": message}
    if isinstance(error, torch.OutOfMemoryError | torch.distributed.DistNetworkError):
        return {"type": TransientError.__name__, "message": f"{job_file}: {error}"}
    return {"type": "", "message": f"{type(error).__name__}: {error}"}


def _end_with_supervisor() -> None:
    """End this process when the one that started the job is gone, however it died: then standard input ends."""

    def watch() -> None:
        os.read(0, 1)  # never written to: returns at its end
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
