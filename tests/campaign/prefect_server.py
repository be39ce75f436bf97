"""Prefect's server with a door before it that can be slow, shut, or fall shut in the middle of an answer."""

import random
import select
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.commands import PREFECT, Commands, stop, wait_until

SECONDS_TO_START = 180


class PrefectServer:
    """Clients know the door's address alone; the server behind it can be killed and started again."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._commands = Commands(environment)
        self._folder = folder
        self._port = _free_port()
        self._door = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.api = f"http://127.0.0.1:{self._door.getsockname()[1]}/api"
        self.is_shut = False
        self.share_cut = 0.0
        """Of connections that break off after some bytes."""
        self.delay = 0.0
        """Seconds before each piece of an answer."""
        threading.Thread(target=self._accept, daemon=True).start()

    @classmethod
    @contextmanager
    def running(cls, folder: Path, environment: Mapping[str, str]) -> Iterator["PrefectServer"]:
        server = cls(folder, environment)
        server.start()
        try:
            yield server
        finally:
            server.kill()
            server._door.close()

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        command = (*PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(self._port), "--no-ui")
        self._process = self._commands.started(*command, log=self._folder / "prefect.log")
        health = f"http://127.0.0.1:{self._port}/api/health"
        wait_until(lambda: _answers(health), seconds=SECONDS_TO_START, what="the Prefect server answers")

    def kill(self) -> None:
        """With SIGKILL after a moment; what it wrote last may be gone."""
        stop(self._process, seconds=0.1)

    def be_well(self) -> None:
        """No faults from now on."""
        self.is_shut, self.share_cut, self.delay = False, 0.0, 0.0

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        left = random.randint(1, 20_000) if random.random() < self.share_cut else None
        with suppress(OSError), client:
            if self.is_shut:
                return
            with socket.create_connection(("127.0.0.1", self._port), timeout=60) as server:
                other = {client: server, server: client}
                while not self.is_shut:
                    readable, _, _ = select.select([client, server], [], [], 0.2)
                    for one in readable:
                        piece = one.recv(65536)
                        if not piece:
                            return
                        if one is server and self.delay:
                            time.sleep(self.delay)
                        other[one].sendall(piece if left is None else piece[:left])
                        if left is not None and (left := left - len(piece)) <= 0:
                            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
