"""Prefect's server as a run sees it: a temporary one that only the run ends, and what happens when a server goes away.

A terminal sends Ctrl-C to everything that it started; ``timeout``, Slurm and systemd send their signals to every
process of a job. A server that took them would be gone first, and Prefect would wait minutes for it instead of letting
the training save and leave. So it has a session of its own, takes no signal, and ends with its standard input: a pipe
whose other end this process holds, which closes when this process ends, however that happens.
"""

import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, get_current_settings

from pipeline.core.errors import ConfigError, TransientError

log = logging.getLogger(__name__)

SERVER_PROCESS = Path(__file__).with_name("server_process.py")
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
SECONDS_TO_STOP = 10.0
SECONDS_BETWEEN_LOOKS = 1.0
MOST_RESTARTS = 3
"""Of a temporary server in one run; a server that ends more often has a reason to."""
AWAY = (
    "Prefect's server at %s does not answer (%s); the step that runs goes on, and what is finished is kept. Start the "
    "server again: the end of the run is written down there, and waits two minutes for it"
)
SECONDS_BETWEEN_QUESTIONS = 5.0
SECONDS_BETWEEN_WARNINGS = 60.0
NOT_THE_UI = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
"""What Prefect tells its own temporary server."""


class TemporaryServer(SubprocessASGIServer):
    """The instance that Prefect's clients in this process then find running."""

    def start(self, timeout: int | None = None) -> None:
        """Start it once, and start another one in its place when it ends before it is stopped."""
        if self.running:
            return
        super().start(timeout)
        self._is_stopped = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        num_restarts = 0
        while not self._is_stopped.wait(SECONDS_BETWEEN_LOOKS):
            process = self.server_process
            if process is None or process.poll() is None:
                continue
            how = f"Prefect's temporary server at {self.address} has ended with code {process.returncode}"
            if num_restarts == MOST_RESTARTS:
                log.warning("%s, again; the run goes on without it as far as it can", how)
                return
            num_restarts += 1
            log.warning("%s; another one starts in its place, and the run goes on", how)
            self.server_process = self._run_uvicorn_command()

    def _run_uvicorn_command(self) -> "subprocess.Popen[Any]":
        assert self.port is not None
        return start_server_process(self.port)

    def stop(self) -> None:
        """End it, with the last that it was told written down."""
        if self.running:
            self._is_stopped.set()
        if self.server_process and self.server_process.stdin:
            self.server_process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self.server_process.wait(SECONDS_TO_STOP)
            self.server_process.kill()
        super().stop()


def start_server_process(port: int) -> "subprocess.Popen[Any]":
    """The process of a temporary server; it ends when its standard input is closed.

    Raises:
        ConfigError: Prefect's folder cannot be written.
    """
    home = PREFECT_HOME.value().absolute()
    _require_writable(home)
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # a process inherits what is blocked
    try:
        return subprocess.Popen(
            [sys.executable, "-P", str(SERVER_PROCESS), str(port)],
            env={**os.environ, **NOT_THE_UI, **settings, "PREFECT_HOME": str(home)},
            cwd=home,  # its migrations put the working directory on the path, and nothing there may be code
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _require_writable(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise ConfigError(
            f"Prefect cannot write to its folder {home} ({error.strerror}), where it keeps the history of the runs; "
            "set PREFECT_HOME to a folder that can be written, with some free space"
        ) from error


def start_temporary_server() -> None:
    """Start the server that the flows of this process then find running; with a server of one's own, nothing."""
    if not PREFECT_API_URL.value():
        TemporaryServer().start()


@contextmanager
def server_watched() -> Iterator[None]:
    """Say at once when a server of one's own goes away: the work goes on, and Prefect waits for it where it must.

    Raises:
        TransientError: in place of the error of Prefect's client, when the server stayed away.
    """
    url, is_over = PREFECT_API_URL.value(), threading.Event()
    if url:
        threading.Thread(target=_say_when_away, args=(url, is_over), daemon=True).start()
    try:
        yield
    except httpx.HTTPError as error:
        raise TransientError(
            f"Prefect's server{f' at {_address(url)}' if url else ''} went away and did not come back ({error}). What "
            "is finished is kept: start the server again and run the same command, which goes on from there"
        ) from error
    finally:
        is_over.set()


def _say_when_away(url: str, is_over: threading.Event) -> None:
    next_warning = 0.0
    while not is_over.wait(SECONDS_BETWEEN_QUESTIONS):
        try:
            with httpx.stream("GET", f"{url.rstrip('/')}/health", timeout=SECONDS_BETWEEN_QUESTIONS) as answer:
                answer.raise_for_status()
        except httpx.HTTPError as error:
            if time.monotonic() >= next_warning and not is_over.is_set():
                log.warning(AWAY, _address(url), error or type(error).__name__)
                next_warning = time.monotonic() + SECONDS_BETWEEN_WARNINGS
        else:
            if next_warning:
                log.info("Prefect's server at %s answers again", _address(url))
            next_warning = 0.0


def _address(url: str) -> str:
    """A server's address for messages, without a name and a password."""
    return str(httpx.URL(url).copy_with(userinfo=b""))
