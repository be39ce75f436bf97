"""Starts the processes of a job, one per device, here and on other machines; streams their progress; stops them all.

Processes of another machine are started through ssh, one connection for each. Standard input is what ties a worker to
this process, near or far: a character there asks it to stop, its end means that this process is gone.

A worker prints a line ``@progress {...}`` for every event, and ``@error {...}`` when it stops with one. Everything else
it and its libraries print goes to ``worker.log`` beside the job file, and its end is shown when the job fails.
"""

import json
import logging
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Queue
from types import TracebackType
from typing import Any, Self, TextIO

from pipeline.compute.devices import descriptors_held, held_alone
from pipeline.compute.hosts import Host
from pipeline.core.censoring import censored
from pipeline.core.errors import (
    ConfigError,
    DataError,
    StoppedError,
    StoreError,
    TrainingError,
    TransientError,
    WorkerError,
)
from pipeline.core.progress import Progress

log = logging.getLogger(__name__)

PROGRESS_MARK = "@progress "
ERROR_MARK = "@error "
FOLLOWS_STDIN = "LLAVA_JP_FOLLOWS_STDIN"
"""Set for workers whose standard input is a pipe from the process that started them."""
RUN_MODULE = (sys.executable, "-P", str(Path(__file__).with_name("run_module.py")))
"""The name of one of our modules and its arguments follow; nothing beside somebody's data is ever imported."""
WORKER = (*RUN_MODULE, "pipeline.compute.worker")
EXIT_STOPPED = 75
"""Exit code of a worker that was asked to leave and saved (EX_TEMPFAIL of ``sysexits.h``)."""
STOP = "s"
"""What a worker of another machine reads when it is asked to stop; a signal would not reach it."""
PORT_ELSEWHERE = 29500
"""Where the group meets when rank 0 is on another machine, whose free ports are not known here. PyTorch's default."""
SSH = ("ssh", "-x", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4")
"""Never asks for a password; a machine that is silent for a minute counts as lost."""
SENT_ALONG = ("LLAVA_JP_", "NCCL_", "GLOO_", "UCX_", "TORCH_", "PYTORCH_", "HF_", "PYTHON")
"""Beginnings of the names of variables that workers of other machines get as well, through the connection."""
KILLERS = {
    signal.SIGKILL: "a system that runs out of memory does that, and a scheduler at its limit; ",
    signal.SIGBUS: "a full /dev/shm does that, and a file that was cut while it was read; ",
}
"""Who ends a process with a signal."""
LINES_SHOWN = 15
SECONDS_TO_FAIL = 20
"""Time that workers have to end when another one has failed."""
SECONDS_BETWEEN_LOOKS = 0.2
RAISED_AGAIN = {
    error.__name__: error for error in (ConfigError, DataError, StoppedError, StoreError, TrainingError, TransientError)
}


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
    """Names to paths of JSON files with the rows to show in MLflow, as in ``pipeline.core.progress.Event``."""
    flags: dict[str, str] = field(default_factory=dict)
    """Tags of the step's MLflow run, such as the optimizer step of a loss spike."""

    def report(self) -> None:
        """Say it to the process that started this one."""
        say(PROGRESS_MARK, asdict(self))


def say(mark: str, values: dict[str, Any]) -> None:
    """Write a line of a worker in one piece, so that no other line gets into it."""
    with suppress(BrokenPipeError):  # nobody listens any more; the end of standard input says so as well
        sys.stdout.write(f"{mark}{json.dumps(values)}\n")
        sys.stdout.flush()


class WorkersProgress:
    """The progress of all workers of a job together."""

    def __init__(self) -> None:
        self._progress: dict[str, Progress] = {}

    def update(self, event: WorkerEvent) -> None:
        """Add what one worker says to what the others said."""
        if event.name not in self._progress:
            if event.start:
                log.info("%s: goes on at %d of %d %s", event.name, event.start, event.total, event.unit)
            self._progress[event.name] = Progress(event.name, total=event.total, unit=event.unit, start=event.start)
            if event.start == event.total:
                self._progress[event.name].finish()
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


def launch(job: Path, *, hosts: Sequence[Host], master_port: int | None, seconds_to_stop: float) -> None:
    """Run ``pipeline.compute.worker`` with the job on every device and wait.

    Other machines need the same environment and the store under the same paths, and ssh without a password.

    Whatever interrupts this (Ctrl-C, a cancelled flow) asks the workers to save and leave, and waits for them; another
    interruption, or ``seconds_to_stop``, kills them. Workers of an earlier launch that still save are waited for.

    Raises:
        PipelineError, TransientError: what the first worker said that stopped with one of these.
        ConfigError: ``master_port`` is in use, or there is no ssh for other machines.
        WorkerError: the workers died otherwise; the end of their log is in the message.
    """
    if not all(host.is_this_machine for host in hosts) and shutil.which(SSH[0]) is None:
        raise ConfigError("the host file names other machines, and there is no ssh here to reach them; install OpenSSH")
    if not hosts[0].is_this_machine:
        port = master_port or PORT_ELSEWHERE
    else:
        port = _free_port() if master_port is None else _checked_port(master_port)
    output = _WorkersOutput(deque(maxlen=LINES_SHOWN), [])
    with (
        held_alone(job.parent / "workers.lock", "processes of an earlier run of this job still save"),
        (job.parent / "worker.log").open("a", encoding="utf-8") as log_file,
        _Workers(job, hosts, port) as workers,
    ):
        try:
            for line in _reported(workers.lines()):
                output.update(line, log_file)
            code = workers.wait()
        except BaseException:
            workers.stop(seconds_to_stop)
            for line in workers.lines():
                output.update(line, log_file)
            if stopped := _first_error(output.errors, StoppedError):
                log.warning("%s", stopped)
            raise
    if number := workers.killed_by():
        raise WorkerError(
            f"a process of {job.parent.parent} was ended from outside by {number.name}; {KILLERS.get(number, '')}"
            f"its last lines are in {job.parent / 'worker.log'}. What is saved is kept: the same command goes on from "
            "there"
        )
    if code:
        raise _first_error(output.errors, *RAISED_AGAIN.values()) or WorkerError(
            f"the workers of {job} stopped with code {code}:\n{chr(10).join(output.last_lines)}\n"
            f"All that they said is in {job.parent / 'worker.log'}"
        )


@dataclass(frozen=True)
class _WorkersOutput:
    """What the workers said that is kept: the last lines, and errors."""

    last_lines: deque[str]
    errors: list[str]

    def update(self, line: str, log_file: TextIO) -> None:
        shown = censored(line)
        log_file.write(shown)
        self.last_lines.append(shown.rstrip())
        if line.startswith(ERROR_MARK):
            self.errors.append(line)


def _started(job: Path, host: Host, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """One worker. What a worker far away needs to know goes through its standard input: nobody sees it there."""
    options: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,  # one for each: lines of two workers must not run into each other
        "stderr": subprocess.STDOUT,
        "text": True,
        "encoding": "utf-8",
        "errors": "replace",
        "start_new_session": True,
    }
    if host.is_this_machine:
        command = [*WORKER, str(job)]
        locks = descriptors_held()  # of this run: they are held until the last worker is gone
        return subprocess.Popen(command, env={**os.environ, **environment}, pass_fds=locks, **options)
    # The module is named by its file, which needs nothing of the environment that it is about to read.
    far = [sys.executable, "-I", str(Path(__file__).with_name("remote_worker.py")), str(job)]
    process = subprocess.Popen([*SSH, host.name, f"cd {shlex.quote(os.getcwd())} && exec {shlex.join(far)}"], **options)
    known = {name: value for name, value in os.environ.items() if name.startswith(SENT_ALONG)}
    _write_to(process, json.dumps({**known, **environment}) + "\n")
    return process


def _write_to(process: subprocess.Popen[str], text: str) -> None:
    """Write to a worker's standard input; one that is gone says so by its exit code."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.write(text)
        process.stdin.flush()


class _Workers:
    """The processes of a job, each in a session of its own; whatever ends the ``with`` block ends them all."""

    def __init__(self, job: Path, hosts: Sequence[Host], port: int) -> None:
        self._processes: list[subprocess.Popen[str]] = []
        self._far: set[int] = set()
        environment = _environment(hosts, port)
        for host in hosts:
            for local_rank in range(host.num_slots):
                rank = {"RANK": str(len(self._processes)), "LOCAL_RANK": str(local_rank)}
                own = {**environment, **_threads(host), **rank}
                self._processes.append(_started(job, host, own))
                if not host.is_this_machine:
                    self._far.add(self._processes[-1].pid)
        self._lines: Queue[str | None] = Queue()
        self._num_silent = 0
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
        while self._num_silent < len(self._processes):
            line = self._lines.get()
            if line is None:
                self._num_silent += 1
            else:
                yield line

    def _fail_together(self) -> None:
        """When one worker fails the others end: they would wait for it for ever. To save and leave is no failure."""
        while any(process.poll() is None for process in self._processes):
            if any(process.poll() not in (None, 0, EXIT_STOPPED) for process in self._processes):
                self.stop(SECONDS_TO_FAIL)
                return
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def wait(self) -> int:
        """The exit code of the workers: that of the first that failed, or 0."""
        codes = [process.wait() for process in self._processes]
        return next(filter(None, codes), 0)

    def killed_by(self) -> signal.Signals | None:
        """The signal that ended the first of them, when none had an error of its own."""
        codes = [process.returncode for process in self._processes]
        if any(code > 0 and code != EXIT_STOPPED for code in codes):
            return None
        ours = (-signal.SIGTERM, -signal.SIGKILL)  # what the others get then
        killed = sorted((code for code in codes if code < 0), key=lambda code: (code in ours, code))
        return signal.Signals(-killed[0]) if killed else None

    def _signal(self, number: signal.Signals) -> None:
        """To every worker and what it has started. Far ones are asked to stop, or see that this process is gone."""
        for process in self._processes:
            if process.pid in self._far and number == signal.SIGTERM:
                _write_to(process, STOP)
                continue
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)

    def stop(self, seconds: float) -> None:
        """Ask the workers to save and leave, and wait; those that have not left when the time is over are killed."""
        self._signal(signal.SIGTERM)
        end = time.monotonic() + seconds
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, end - time.monotonic()))
        self._signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._signal(signal.SIGKILL)
        self.wait()


def _environment(hosts: Sequence[Host], port: int) -> dict[str, str]:
    """What all workers have in their environment: quiet libraries, where they meet, whom they follow."""
    is_alone = all(host.is_this_machine for host in hosts)
    return {
        FOLLOWS_STDIN: "1",
        "WORLD_SIZE": str(sum(host.num_slots for host in hosts)),
        "MASTER_ADDR": "127.0.0.1" if is_alone else hosts[0].name.rpartition("@")[2],
        "MASTER_PORT": str(port),
        "PYTHONPATH": os.pathsep.join(_module_folders()),
        "PYTHONSAFEPATH": "1",  # for what the libraries of a worker start
        "PYTHONWARNINGS": "ignore",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        "DEEPSPEED_LOG_LEVEL": "error",
    }


def _module_folders() -> Iterator[str]:
    """Where this process finds modules, but for the folder that somebody works in and that of the program's script."""
    by_accident = {os.path.realpath(os.getcwd()), os.path.realpath(os.path.dirname(sys.argv[0]))}
    return (path for path in sys.path if path and os.path.realpath(path) not in by_accident)


def _threads(host: Host) -> dict[str, str]:
    """No more threads than cores; of another machine these are not known, and PyTorch takes one for each process."""
    if "OMP_NUM_THREADS" in os.environ or not host.is_this_machine:
        return {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    return {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // host.num_slots))}


def _reported(lines: Iterable[str]) -> Iterator[str]:
    """Feed the workers' progress to the listeners, pass other lines on."""
    progress = WorkersProgress()
    for line in lines:
        if line.startswith(PROGRESS_MARK):
            progress.update(WorkerEvent(**json.loads(line.removeprefix(PROGRESS_MARK))))
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


def _first_error(lines: Sequence[str], *kinds: type[Exception]) -> Exception | None:
    """The error of the worker that stopped first, if it said one of these kinds."""
    told = [json.loads(line.removeprefix(ERROR_MARK)) for line in lines]
    known = [error for error in told if RAISED_AGAIN.get(error["type"]) in kinds]
    return RAISED_AGAIN[known[0]["type"]](known[0]["message"]) if known else None
