import socket
import urllib.request

import pytest

from tests.support.commands import LONGER, PREFECT, Commands, clean_environment, copied, stop, wait_until
from tests.support.fork_server import fork_server


@pytest.fixture(scope="session")
def commands(tmp_path_factory):
    """Commands that talk to one Prefect server, which ends with the tests."""
    folder = tmp_path_factory.mktemp("prefect")
    environment = clean_environment(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    server = Commands(environment).started(
        *(*PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"),
        log=folder / "server.log",
    )
    try:
        with fork_server(folder, {**environment, "PREFECT_API_URL": api}) as forks:  # while Prefect's server starts
            wait_until(lambda: _answers(f"{api}/health"), seconds=120, what="the Prefect server answers")
            yield Commands({**environment, "PREFECT_API_URL": api}, forks)
    finally:
        stop(server)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


@pytest.fixture(scope="session")
def smoke(commands, tmp_path_factory):
    """The finished command ``llava-jp run smoke`` and the store it filled. Tests read it and change copies."""
    store = tmp_path_factory.mktemp("smoke") / "store"
    return commands.llava_jp(store, "run", "smoke"), store


@pytest.fixture(scope="session")
def longer(commands, smoke, tmp_path_factory):
    """The same for more epochs of the second stage at another learning rate, in a copy of that store."""
    store = copied(smoke[1], tmp_path_factory.mktemp("longer"))
    return commands.llava_jp(store, "run", "smoke", *LONGER), store
