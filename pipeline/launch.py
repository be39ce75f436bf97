"""Starts the processes of a job, one per device, through DeepSpeed's launcher; streams their progress; stops them all.

A worker prints a line ``@progress {...}`` for every event, and ``@error {...}`` when it stops with one. Everything else
it and its libraries print goes to ``worker.log`` beside the job file, and its end is shown when the job fails.
"""

import base64
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline.errors import ConfigError, DataError, StoreError, TrainingError, TransientError
from pipeline.progress import Progress

log = logging.getLogger(__name__)

PROGRESS_MARK = "@progress "
ERROR_MARK = "@error "
FOLLOWS_STDIN = "LLAVA_JP_FOLLOWS_STDIN"
"""Set for workers whose standard input is a pipe from the process that started them."""
LINES_SHOWN = 15
SECONDS_TO_STOP = 20
RAISED_AGAIN = {error.__name__: error for error in (ConfigError, DataError, StoreError, TrainingError, TransientError)}


@dataclass(frozen=True, slots=True)
class WorkerEvent:
    """A line of a worker about its progress: ``count`` more units of ``total`` are done, beginning at ``start``."""

    name: str
    start: int
    count: int
    total: int
    unit: str
    note: str = ""
    rows: list[dict[str, float]] = field(default_factory=list)
    """Figures of optimizer steps."""

    def tell(self) -> None:
        """Print it for the process that started this one."""
        print(PROGRESS_MARK + json.dumps(asdict(self)), flush=True)


class WorkersProgress:
    """The progress of all workers of a job together."""

    def __init__(self) -> None:
        self._progress: dict[str, Progress] = {}

    def take(self, event: WorkerEvent) -> None:
        """Add what one worker says to what the others said."""
        if event.name not in self._progress:
            if event.start:
                log.info("%s: goes on at %d of %d %s", event.name, event.start, event.total, event.unit)
            self._progress[event.name] = Progress(event.name, total=event.total, unit=event.unit, start=event.start)
        if not event.count:
            return
        own = self._progress[event.name]
        metrics = [(int(row["optimizer_step"]), _figures(row)) for row in event.rows]
        own.advance(event.count, metrics=metrics, note=event.note)
        if own.done == event.total:
            own.finish(event.note)


def _figures(row: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name != "optimizer_step"}


def launch(job: Path, *, num_processes: int, master_port: int | None) -> None:
    """Run ``python -m pipeline.worker JOB`` on every device and wait.

    Raises:
        PipelineError, TransientError: what the first worker said that stopped with one of these.
        ConfigError: ``master_port`` is in use.
        RuntimeError: the workers died otherwise; the end of their log is in the message.
    """
    port = _free_port() if master_port is None else _checked_port(master_port)
    devices = base64.urlsafe_b64encode(json.dumps({"localhost": list(range(num_processes))}).encode()).decode()
    command = [
        *(sys.executable, "-m", "deepspeed.launcher.launch", "--quiet", f"--world_info={devices}"),
        *("--master_addr=127.0.0.1", f"--master_port={port}", "--no_local_rank"),
        *("--module", "pipeline.worker", str(job)),
    ]
    with (job.parent / "worker.log").open("a", encoding="utf-8") as log_file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # never written to: its end tells the workers that this process is gone
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=_environment(num_processes),
            start_new_session=True,
        )
        last_lines: deque[str] = deque(maxlen=LINES_SHOWN)
        errors: list[str] = []
        with _stopped_at_the_end(process):
            assert process.stdout is not None
            for line in _reported(process.stdout):
                log_file.write(line)
                last_lines.append(line.rstrip())
                if line.startswith(ERROR_MARK):
                    errors.append(line)
            code = process.wait()
    if code:
        raise _first_error(errors) or RuntimeError(
            f"the workers of {job} stopped with code {code}:\n" + "\n".join(last_lines)
        )


def _environment(num_processes: int) -> dict[str, str]:
    """The workers' environment: quiet libraries, no more threads than cores, and whom to follow into death."""
    threads = max(1, (os.cpu_count() or 1) // num_processes)
    return {
        "OMP_NUM_THREADS": str(threads),
        **os.environ,
        FOLLOWS_STDIN: "1",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONWARNINGS": "ignore",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        "DEEPSPEED_LOG_LEVEL": "error",
    }


def _reported(lines: Iterator[str]) -> Iterator[str]:
    """Feed the workers' progress to the listeners, pass other lines on."""
    progress = WorkersProgress()
    for line in lines:
        if line.startswith(PROGRESS_MARK):
            progress.take(WorkerEvent(**json.loads(line.removeprefix(PROGRESS_MARK))))
        else:
            yield line


@contextmanager
def _stopped_at_the_end(process: subprocess.Popen[str]) -> Iterator[None]:
    """Whatever ends the enclosed work ends the whole process group: first politely, then not."""
    try:
        yield
    finally:
        if process.poll() is None:
            _signal(process, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(SECONDS_TO_STOP)
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _checked_port(port: int) -> int:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigError(
                f"port {port} (LLAVA_JP_MASTER_PORT) cannot be used: {error.strerror}; "
                "unset the variable to use any free port, or stop the program that holds it"
            ) from error
    return port


def _first_error(lines: Sequence[str]) -> Exception | None:
    """The error of the worker that stopped first, if it said one that a user can act on."""
    told = [json.loads(line.removeprefix(ERROR_MARK)) for line in lines]
    known = [error for error in told if error["type"] in RAISED_AGAIN]
    return RAISED_AGAIN[known[0]["type"]](known[0]["message"]) if known else None
