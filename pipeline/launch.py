"""Starts the processes of a job on this machine, one per device; streams their progress; stops them all.

A worker prints a line ``@progress {...}`` for every event, and ``@error {...}`` when it stops with one. Everything else
it and its libraries print goes to ``worker.log`` beside the job file, and its end is shown when the job fails.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Queue
from types import TracebackType
from typing import Any, Self

from pipeline.errors import ConfigError, DataError, StoreError, TrainingError, TransientError
from pipeline.progress import Progress

log = logging.getLogger(__name__)

PROGRESS_MARK = "@progress "
ERROR_MARK = "@error "
FOLLOWS_STDIN = "LLAVA_JP_FOLLOWS_STDIN"
"""Set for workers whose standard input is a pipe from the process that started them."""
LINES_SHOWN = 15
SECONDS_TO_STOP = 20
SECONDS_BETWEEN_LOOKS = 0.2
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
    tables: dict[str, str] = field(default_factory=dict)
    """Names to paths of JSON files with the rows to show in MLflow, as in ``pipeline.progress.Event``."""
    flags: dict[str, str] = field(default_factory=dict)
    """Tags of the step's MLflow run, such as the optimizer step of a loss spike."""

    def tell(self) -> None:
        """Say it to the process that started this one."""
        say(PROGRESS_MARK, asdict(self))


def say(mark: str, values: dict[str, Any]) -> None:
    """Write a line of a worker in one piece, so that no other line gets into it."""
    sys.stdout.write(f"{mark}{json.dumps(values)}\n")
    sys.stdout.flush()


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
        if not (event.count or event.rows or event.tables or event.flags):
            return
        own = self._progress[event.name]
        metrics = [(int(row["optimizer_step"]), _figures(row)) for row in event.rows]
        tables = {name: Path(path) for name, path in event.tables.items()}
        own.advance(event.count, metrics=metrics, note=event.note, tables=tables, flags=event.flags)
        if event.count and own.done == event.total:
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
    last_lines: deque[str] = deque(maxlen=LINES_SHOWN)
    errors: list[str] = []
    with (
        (job.parent / "worker.log").open("a", encoding="utf-8") as log_file,
        _Workers(job, num_processes, port) as workers,
    ):
        for line in _reported(workers.lines()):
            log_file.write(line)
            last_lines.append(line.rstrip())
            if line.startswith(ERROR_MARK):
                errors.append(line)
        code = workers.wait()
    if code:
        raise _first_error(errors) or RuntimeError(
            f"the workers of {job} stopped with code {code}:\n" + "\n".join(last_lines)
        )


class _Workers:
    """The processes of a job, each in a session of its own; whatever ends the ``with`` block ends them all."""

    def __init__(self, job: Path, num_processes: int, port: int) -> None:
        environment = _environment(num_processes, port)
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "pipeline.worker", str(job)],
                stdin=subprocess.PIPE,  # never written to: its end tells the worker that this process is gone
                stdout=subprocess.PIPE,  # one for each: lines of two workers must not run into each other
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                start_new_session=True,
            )
            for rank in range(num_processes)
        ]
        self._lines: Queue[str | None] = Queue()
        for process in self._processes:
            threading.Thread(target=self._read, args=(process,), daemon=True).start()
        threading.Thread(target=self._fail_together, daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._lines.put(line)
        self._lines.put(None)

    def lines(self) -> Iterator[str]:
        """The lines of all workers as they come, until all have ended."""
        num_ended = 0
        while num_ended < len(self._processes):
            line = self._lines.get()
            if line is None:
                num_ended += 1
            else:
                yield line

    def _fail_together(self) -> None:
        """When one worker fails the others end: they would wait for it for ever."""
        while any(process.poll() is None for process in self._processes):
            if any(process.poll() for process in self._processes):
                self._signal(signal.SIGTERM)
                return
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def wait(self) -> int:
        """The exit code of the workers: that of the first that failed, or 0."""
        codes = [process.wait() for process in self._processes]
        return next(filter(None, codes), 0)

    def _signal(self, number: signal.Signals) -> None:
        """To every worker and what it has started."""
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """First politely, then not."""
        if any(process.poll() is None for process in self._processes):
            self._signal(signal.SIGTERM)
            end = time.monotonic() + SECONDS_TO_STOP
            for process in self._processes:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, end - time.monotonic()))
        self._signal(signal.SIGKILL)
        self.wait()


def _environment(num_processes: int, port: int) -> dict[str, str]:
    """The workers' environment: quiet libraries, no more threads than cores, where they meet, whom they follow."""
    threads = max(1, (os.cpu_count() or 1) // num_processes)
    return {
        "OMP_NUM_THREADS": str(threads),
        **os.environ,
        FOLLOWS_STDIN: "1",
        "WORLD_SIZE": str(num_processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONWARNINGS": "ignore",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        "DEEPSPEED_LOG_LEVEL": "error",
    }


def _reported(lines: Iterable[str]) -> Iterator[str]:
    """Feed the workers' progress to the listeners, pass other lines on."""
    progress = WorkersProgress()
    for line in lines:
        if line.startswith(PROGRESS_MARK):
            progress.take(WorkerEvent(**json.loads(line.removeprefix(PROGRESS_MARK))))
        else:
            yield line


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
