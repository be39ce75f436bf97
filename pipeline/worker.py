"""One process of a job: ``python -m pipeline.worker job.json``, started on every device by ``pipeline.launch``.

By hand, for debugging: the same command with RANK=0 WORLD_SIZE=1 LOCAL_RANK=0 MASTER_ADDR=127.0.0.1 MASTER_PORT=29500.
"""

import errno
import json
import os
import sys
import threading
from pathlib import Path

from pipeline.errors import PipelineError, StoreError
from pipeline.launch import ERROR_FILE, FOLLOWS_STDIN
from pipeline.store import write_text
from pipeline.training import TrainingJob


def main(job_file: Path) -> int:
    """Run the job; leave an error a user can act on in ``error.json``."""
    if FOLLOWS_STDIN in os.environ:
        _end_with_supervisor()
    try:
        _run(job_file)
    except PipelineError as error:
        _leave(job_file, error)
        return 1
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _leave(job_file, StoreError(f"no space left for the training state in {job_file.parent}: {error}"))
            return 1
        raise
    return 0


def _run(job_file: Path) -> None:
    job = TrainingJob.model_validate_json(job_file.read_text(encoding="utf-8"))
    from pipeline.optimizer_loop import (
        train,  # after the environment is known to be right: DeepSpeed reads it on import
    )

    train(job)


def _leave(job_file: Path, error: PipelineError) -> None:
    write_text(job_file.parent / ERROR_FILE, json.dumps({"type": type(error).__name__, "message": str(error)}))


def _end_with_supervisor() -> None:
    """End this process when the one that started the job is gone, however it died: then standard input ends."""

    def watch() -> None:
        os.read(0, 1)  # never written to: returns at its end
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
