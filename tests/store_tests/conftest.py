"""An object storage on this machine, for all tests of the store."""

import os

import pytest

from tests.support.object_server import object_server


@pytest.fixture(scope="module")
def running():
    with object_server() as server:
        yield server


@pytest.fixture
def server(running, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    running.forget()
    return running
