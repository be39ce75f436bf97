"""One process of a job: ``python -P -m pipeline.compute.worker job.json``, started on every device by ``launch``.

The job file names the module that does the work: its function ``work(job_file, supervisor, settings)`` is called.

By hand, for debugging: the same command with RANK=0 WORLD_SIZE=1 LOCAL_RANK=0 MASTER_ADDR=127.0.0.1 MASTER_PORT=29500.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

import torch

from model.whole_files import ModelFolderError
from pipeline.compute.launch import ERROR_MARK, EXIT_STOPPED, FOLLOWS_STDIN, say
from pipeline.core.disk import FAULTS, full_disk_text, system_error_text
from pipeline.core.errors import ConfigError, PipelineError, StoppedError, StoreError, TransientError
from pipeline.core.settings import load_settings


def main(job_file: Path) -> int:
    """Run the job; say in one line what stopped it."""
    supervisor = Supervisor(job_file)
    if FOLLOWS_STDIN in os.environ:
        supervisor.follow()
    try:
        _run(job_file, supervisor)
    except StoppedError as error:
        say(ERROR_MARK, explained(error, job_file))
        return EXIT_STOPPED
    except Exception as error:
        say(ERROR_MARK, explained(error, job_file))
        raise
    return 0


def _run(job_file: Path, supervisor: "Supervisor") -> None:
    entry = json.loads(job_file.read_text(encoding="utf-8"))["entry"]
    if not entry.startswith("pipeline."):
        raise ValueError(f"{job_file}: {entry!r} is no module of this project")
    import_module(entry).work(job_file, supervisor, load_settings())


def explained(error: Exception, job_file: Path) -> dict[str, str]:
    """The error as one of ``pipeline.core.errors``, by name, or as a bug of ours."""
    if isinstance(error, PipelineError | TransientError):
        return {"type": type(error).__name__, "message": str(error)}
    if isinstance(error, ModelFolderError):
        return {"type": ConfigError.__name__, "message": str(error)}
    if isinstance(error, OSError) and error.errno in FAULTS and (text := system_error_text(error)):
        return {"type": StoreError.__name__, "message": f"the work of {job_file.parent} stopped: {text}"}
    if isinstance(error, torch.OutOfMemoryError | torch.distributed.DistNetworkError):
        return {"type": TransientError.__name__, "message": f"{job_file}: {error}"}
    if text := full_disk_text(error):
        return {"type": StoreError.__name__, "message": f"the work of {job_file.parent} stopped: {text}"}
    return {"type": "", "message": f"{type(error).__name__}: {error}"}


class Supervisor:
    """The process that started the job, as this one sees it: through standard input."""

    def __init__(self, job_file: Path) -> None:
        self._log_file = job_file.parent / "worker.log"
        self.on_end: Callable[[], None] = partial(os._exit, 1)
        """What to do when it is gone, however it died: standard input ends then."""

    def follow(self) -> None:
        """From now on stop like on SIGTERM when it asks for it; a near worker gets the signal and never a character."""
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while os.read(0, 1):
            os.kill(os.getpid(), signal.SIGTERM)
        log_file = os.open(self._log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(log_file, 1)  # nobody reads the pipes any more; a write to them would fail
        os.dup2(log_file, 2)
        self.on_end()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
