"""Commands of a campaign: forks of one process that has imported everything, on stores that lack some steps."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.config.experiment import load_experiment
from pipeline.core.settings import Settings
from pipeline.planning.plan import plan_experiment
from pipeline.store.artifacts import ArtifactStore
from tests.campaign.cases import LostError
from tests.campaign.damage import EXPERIMENT, contents
from tests.campaign.prefect_server import PrefectServer
from tests.support.commands import LLAVA_JP, Commands, clean_environment
from tests.support.fork_server import fork_server

SECONDS_PER_RUN = 400.0
SECONDS_TO_LEAVE = 180.0
SECONDS_OF_OUTPUT = 10.0
"""For the rest of what a command said; a process that it left behind may hold its output."""
COMMAND = "flows.cli.main"
FAULTY = "tests.support.faulty_disk"
"""The same command on a disk with faults."""
ONE_STEP = "tests.support.one_step"
"""One step, without Prefect."""


class Run:
    """A command that was started: a fork, in a session of its own."""

    def __init__(self, connection: socket.socket, log: Path, output: threading.Thread) -> None:
        self._replies = connection.makefile("r")
        self._connection = connection
        self._output = output
        self.log = log
        self.pid = int(self._replies.readline())

    def wait(self, seconds: float) -> int | None:
        """The exit code, negative for a signal; None when it still runs after that time."""
        self._connection.settimeout(seconds)
        try:
            code = int(self._replies.readline())
        except TimeoutError:
            self._replies = self._connection.makefile("r")
            return None
        self._output.join(SECONDS_OF_OUTPUT)
        return code

    def signal(self, number: signal.Signals, whom: str) -> None:
        """Send a signal to the ``process`` or to its ``group``."""
        (os.killpg if whom == "group" else os.kill)(self.pid, number)

    def end(self) -> None:
        """Whatever it does."""
        self._replies.close()
        self._connection.close()


def _copy(output: int, log: Path) -> None:
    """What a command says goes through a pipe: a bound on the size of its files must not cut its message."""
    with open(output, "rb", buffering=0) as said, log.open("wb", buffering=0) as file:
        shutil.copyfileobj(said, file)


class Runs:
    """Starts commands on copies of the store of an undisturbed run, and compares what they leave."""

    def __init__(self, store: Path, forks: Path, prefect: PrefectServer, environment: Mapping[str, str]) -> None:
        self.prefect = prefect
        self._store = store
        self._forks = forks
        self._environment = environment
        self.expected = contents(store)
        plan = plan_experiment(load_experiment(EXPERIMENT), Settings(store=store))
        self.addresses = [step.request.address for step in plan]
        self.roles = [str(step.role) for step in plan]
        self._parts = {manifest.address: manifest.parts for manifest in ArtifactStore(store).manifests()}

    @classmethod
    @contextmanager
    def beside(cls, store: Path, folder: Path) -> Iterator["Runs"]:
        """With a Prefect server and a process to fork, until the block ends."""
        folder.mkdir(parents=True, exist_ok=True)
        environment = clean_environment(folder)
        with PrefectServer.running(folder, environment) as prefect:
            environment["PREFECT_API_URL"] = prefect.api
            with fork_server(folder, environment) as forks:
                yield cls(store, forks, prefect, environment)

    def copy(self, folder: Path, *, first_missing: int) -> Path:
        """A copy of the store without what a step of the plan and those after it made."""
        return self._without(folder, self.addresses[first_missing:])

    def copy_to_make(self, folder: Path, number: int) -> Path:
        """A copy of the store without what one step of the plan made."""
        return self._without(folder, self.addresses[number : number + 1])

    def _without(self, folder: Path, without: Sequence[str]) -> Path:
        store = folder / "store"
        shutil.copytree(self._store, store)
        for part in {part for address in without for part in (address, *self._parts[address])}:
            shutil.rmtree(store / "artifacts" / part)
        return store

    def start(self, store: Path, *arguments: str, module: str = COMMAND, **environment: str) -> Run:
        """``llava-jp ARGUMENTS`` in the background."""
        log = store.parent / f"log-{len(list(store.parent.glob('log-*')))}"
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self._forks))
        own = {"LLAVA_JP_STORE": str(store), "TMPDIR": str(store.parent), **environment}
        asked = {
            "command": [module, *arguments],
            "environment": {**self._environment, **own},
            "folder": str(store.parent),
        }
        sent = json.dumps(asked).encode()
        reader, writer = os.pipe()
        with open(writer, "wb") as output, open(os.devnull, "rb") as nothing:
            descriptors = [nothing.fileno(), output.fileno(), output.fileno()]
            socket.send_fds(connection, [len(sent).to_bytes(8, "big")], descriptors)
        connection.sendall(sent)
        copying = threading.Thread(target=_copy, args=(reader, log), daemon=True)
        copying.start()
        return Run(connection, log, copying)

    def finished(self, store: Path, *arguments: str, module: str = COMMAND, **environment: str) -> tuple[int, str]:
        """The same, waited for: its exit code and what it said."""
        run = self.start(store, *arguments, module=module, **environment)
        code = run.wait(SECONDS_PER_RUN)
        run.end()
        text = run.log.read_text(encoding="utf-8", errors="replace")
        if code is None:
            raise LostError(f"{' '.join(arguments)} was not over in {SECONDS_PER_RUN:.0f} s: {text[-300:]}")
        return code, text

    def require_same(self, store: Path, after: str) -> None:
        """The next undisturbed run ends well, with the bytes of a run that was never disturbed.

        Raises:
            LostError: otherwise.
        """
        self._require_same(store, after, *self.finished(store, "run", EXPERIMENT))

    def require_same_step(self, store: Path, number: int, after: str) -> None:
        """The same of one step, made without Prefect."""
        self._require_same(store, after, *self.finished(store, self.roles[number], module=ONE_STEP))

    def _require_same(self, store: Path, after: str, code: int, text: str) -> None:
        if code:
            raise LostError(f"after {after} the next run ended with {code}: {text[-600:]}")
        if (found := contents(store)) != self.expected:
            names = sorted(name for name in found.keys() | self.expected if found.get(name) != self.expected.get(name))
            raise LostError(f"after {after} other artifacts: {names}")
        if left := [str(path) for path in store.rglob("*.tmp")] + [str(path) for path in store.glob("partial/*/*")]:
            raise LostError(f"after {after} there is left: {left[:5]}")


def explained(code: int, text: str, *, after: str) -> str:
    """How a disturbed command ended: ``went on`` or ``said what is wrong``.

    Raises:
        LostError: with a traceback, or without a word.
    """
    if "Traceback (most recent call last)" in text:
        raise LostError(f"{after}: a traceback: {text[-900:]}")
    if code == 0:
        return "went on"
    if code in (1, 75, 130) and ("error: " in text or "stopped;" in text):
        return "said what is wrong"
    raise LostError(f"{after}: it ended with {code}, and said {text[-600:]!r}")


def real_command(folder: Path, prefix: Sequence[str], *arguments: str, store: Path) -> tuple[int, str]:
    """``llava-jp ARGUMENTS`` as a process of its own, behind a prefix such as ``unshare``."""
    try:
        done = Commands(clean_environment(folder)).finished(
            *prefix, *LLAVA_JP, *arguments, seconds=SECONDS_PER_RUN, LLAVA_JP_STORE=str(store)
        )
    except subprocess.TimeoutExpired as error:
        raise LostError(f"{' '.join(arguments)} was not over in {SECONDS_PER_RUN:.0f} s") from error
    return done.returncode, done.stdout + done.stderr


def processes_of(folder: Path) -> Iterable[int]:
    """Real processes that were started with the temporary folder of a case."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"TMPDIR={folder}\0".encode() in (entry / "environ").read_bytes():
                yield int(entry.name)
        except OSError:
            continue  # it ended meanwhile, or is another user's


Ends = dict[str, int]


def count(ends: Ends, end: str) -> None:
    """One more input that ended so."""
    ends[end] = ends.get(end, 0) + 1


def first_line(value: Any) -> str:
    """Of a text that may be long."""
    return str(value).splitlines()[0] if str(value) else ""
