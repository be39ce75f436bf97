"""Prefect's temporary server, started so that only this process stops it.

A terminal sends Ctrl-C to everything that it started, Slurm its signals to every process of a job. The server would be
gone first, and Prefect would wait minutes for it instead of letting the training save and leave.
"""

import contextvars
import signal
from concurrent.futures import ThreadPoolExecutor

from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL

STOPPING = (signal.SIGINT, signal.SIGUSR1)
"""Not SIGTERM, which is how Prefect ends it."""


def start_temporary_server() -> None:
    """Start the server that the flows of this process then find running; with a server of one's own, nothing."""
    if PREFECT_API_URL.value():
        return
    # A process inherits the blocked signals of the thread that starts it; the main thread still takes Ctrl-C meanwhile.
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(contextvars.copy_context().run, _start).result()


def _start() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    SubprocessASGIServer().start()
