"""Prefect's server: the temporary one ends with its run alone; the work goes on when a server is away."""

import logging
import os
import signal
import socket
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from flows.runtime import server as prefect_server
from flows.runtime import tasks
from pipeline.core.errors import ConfigError, TransientError
from pipeline.core.progress import Progress
from tests.support.commands import wait_until

STAND_IN = """
import os, sys
print(os.getpid(), sys.flags.safe_path, os.getcwd(), flush=True)
os.read(0, 1)
"""
"""Ends as the server does, which takes seconds to start."""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Prefect's folder, and the stand-in for its server."""
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setattr(prefect_server, "SERVER_PROCESS", tmp_path / "stand_in.py")
    monkeypatch.setattr(prefect_server, "PREFECT_HOME", Value(tmp_path / "home"))
    return tmp_path / "home"


class Value:
    """A setting of Prefect."""

    def __init__(self, value):
        self.value = lambda: value


@pytest.mark.usefixtures("home")
def test_no_signal_reaches_the_temporary_server():
    process = prefect_server.start_server_process(4321)
    assert os.getsid(process.pid) == process.pid
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        process.send_signal(number)
        assert number not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.stdin.close()
    assert process.wait(10) == 0


def test_the_temporary_server_finds_no_code_beside_the_data(home, capfd):
    process = prefect_server.start_server_process(4321)
    process.stdin.close()
    process.wait(10)
    assert capfd.readouterr().out.split() == [str(process.pid), "True", str(home)]


@pytest.mark.usefixtures("home")
def test_the_temporary_server_ends_when_its_run_is_killed():
    reading, writing = os.pipe()
    if not (run := os.fork()):
        os.write(writing, str(prefect_server.start_server_process(4321).pid).encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(run, 0)
    number = int(os.read(reading, 100))
    wait_until(lambda: not is_running(number), seconds=10, what="the server has ended")


def is_running(number):
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.usefixtures("home")
def test_a_temporary_server_that_died_is_replaced_and_the_run_is_told(monkeypatch, caplog):
    monkeypatch.setattr(prefect_server, "SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(prefect_server.SubprocessASGIServer, "_instances", {})
    monkeypatch.setattr(prefect_server.SubprocessASGIServer, "start", start_at_once)
    server = prefect_server.TemporaryServer()
    server.start()
    first = server.server_process
    first.kill()
    wait_until(lambda: server.server_process is not first, seconds=10, what="another one is started")
    second = server.server_process
    server.stop()
    assert second.returncode == 0
    assert [record.message for record in caplog.records if record.name == prefect_server.__name__] == [
        "Prefect's temporary server at http://127.0.0.1:4321 has ended with code -9; another one starts in its place, "
        "and the run goes on"
    ]


def start_at_once(server, timeout=None):
    server.port, server.running = 4321, True
    server.server_process = server._run_uvicorn_command()


def test_a_folder_of_prefect_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(prefect_server, "PREFECT_HOME", Value(tmp_path / "file" / "home"))
    with pytest.raises(ConfigError, match=r"Prefect cannot write to its folder .*/file/home \(Not a directory\)"):
        prefect_server.start_server_process(4321)


class Answering(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def answering(port):
    HTTPServer.allow_reuse_address = True
    with HTTPServer(("127.0.0.1", port), Answering) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield
        server.shutdown()


def test_a_server_of_ones_own_that_goes_away_is_said_at_once_and_once(monkeypatch, caplog):
    caplog.set_level(logging.INFO, logger=prefect_server.__name__)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setattr(prefect_server, "PREFECT_API_URL", Value(f"http://me:secret@127.0.0.1:{port}/api"))
    monkeypatch.setattr(prefect_server, "SECONDS_BETWEEN_QUESTIONS", 0.02)
    with prefect_server.server_watched():
        wait_until(lambda: caplog.messages, seconds=10, what="the absence is said")
        with answering(port):
            wait_until(lambda: len(caplog.messages) == 2, seconds=10, what="it answers again")
    away, back = caplog.messages
    assert away.startswith(f"Prefect's server at http://127.0.0.1:{port}/api does not answer ([Errno 111]")
    assert back == f"Prefect's server at http://127.0.0.1:{port}/api answers again"


def test_a_run_whose_server_stayed_away_ends_with_a_message(monkeypatch):
    monkeypatch.setattr(prefect_server, "PREFECT_API_URL", Value(None))
    with (
        pytest.raises(TransientError, match="went away and did not come back .refused.. What is finished is kept"),
        prefect_server.server_watched(),
    ):
        raise httpx.ConnectError("refused")


def refuse(**_):
    raise httpx.ConnectError("refused")


def test_the_work_goes_on_when_nothing_can_be_shown_on_the_runs_page(monkeypatch, caplog):
    for name in ("create_table_artifact", "create_progress_artifact"):
        monkeypatch.setattr(tasks, name, refuse)
    monkeypatch.setattr(tasks, "_page", tasks._RunPage())
    with tasks.progress_on_the_run_page("finetune"):
        Progress("finetune", total=2, unit="steps").advance(2)
    tasks.show_table("scores", [], description="Scores")
    tasks.show_table("samples", [], description="not tried: the server was just away")
    assert caplog.messages == ["Prefect's server does not take scores for the run's page (refused); the work goes on"]
