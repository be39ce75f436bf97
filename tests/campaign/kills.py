"""Kills at any time in any step, by any signal, of the process or its group: the next run ends with the same bytes."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.config.experiment import load_experiment
from pipeline.core.settings import Settings
from pipeline.planning.plan import plan_experiment
from tests.campaign.cases import LostError
from tests.campaign.damage import EXPERIMENT, SHARD, contents
from tests.support.commands import LLAVA_JP, Commands, clean_environment

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
WHOM = ("process", "group")
LONGEST_WAIT = 25.0
"""Seconds in which a run of the smallest experiment has come far, or to its end."""
SECONDS_TO_LEAVE = 180.0


class Kills:
    """Runs of an experiment on copies of a store that lack what some step and those after it made."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._expected = contents(store)
        plan = plan_experiment(load_experiment(EXPERIMENT), Settings(store=store))
        self._addresses = [step.request.address for step in plan]

    def case(self, chance: random.Random, folder: Path) -> Mapping[str, int]:
        """One to three runs that are killed, and one that ends."""
        store, commands = folder / "store", Commands(clean_environment(folder))
        self._copy(store, without=self._addresses[chance.randrange(len(self._addresses)) :])
        ends: dict[str, int] = {}
        for number in range(chance.choice((1, 2, 3))):
            name, whom = chance.choice(SIGNALS), chance.choice(WHOM)
            wait = chance.uniform(1, LONGEST_WAIT)
            log = folder / f"log-{number}"
            run = commands.started(*LLAVA_JP, "run", EXPERIMENT, log=log, LLAVA_JP_STORE=str(store))
            killed = _killed(run, name, whom, after=wait)
            end = f"{name.name} to the {whom}" if killed else "ended before the signal"
            ends[end] = ends.get(end, 0) + 1
        try:
            done = commands.finished(*LLAVA_JP, "run", EXPERIMENT, LLAVA_JP_STORE=str(store))
            self._require_same(store, done, f"{ends}")
        finally:
            _end(_processes_of(folder))
        return ends

    def _copy(self, store: Path, *, without: Iterable[str]) -> None:
        shutil.copytree(self._store, store)
        for address in without:
            shutil.rmtree(store / "artifacts" / address)
        if any(address.startswith("features/") for address in without):
            shutil.rmtree(store / "artifacts" / SHARD)

    def _require_same(self, store: Path, done: "subprocess.CompletedProcess[str]", after: str) -> None:
        if done.returncode:
            raise LostError(
                f"after {after} the next run ended with {done.returncode}: {(done.stdout + done.stderr)[-400:]}"
            )
        if (found := contents(store)) != self._expected:
            raise LostError(f"after {after} other artifacts: {sorted(_different(found, self._expected))}")
        if left := [str(path) for path in store.rglob("*.tmp")] + [str(path) for path in store.glob("partial/*/*")]:
            raise LostError(f"after {after} there is left: {left[:5]}")


def _killed(run: "subprocess.Popen[bytes]", name: signal.Signals, whom: str, *, after: float) -> bool:
    """Whether it was still running; it is gone when this returns."""
    try:
        run.wait(after)
        return False
    except subprocess.TimeoutExpired:
        (os.killpg if whom == "group" else os.kill)(run.pid, name)
    try:
        run.wait(SECONDS_TO_LEAVE)
    except subprocess.TimeoutExpired as error:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        raise LostError(f"{SECONDS_TO_LEAVE:.0f} s after {name.name} to the {whom} it still ran") from error
    return True


def _different(found: Mapping[str, Any], expected: Mapping[str, Any]) -> set[str]:
    return {name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)}


def _processes_of(folder: Path) -> Iterator[int]:
    """Processes that were started with the temporary folder of a case."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"TMPDIR={folder}\0".encode() in (entry / "environ").read_bytes():
                yield int(entry.name)
        except OSError:
            continue  # it ended meanwhile, or is another user's


def _end(processes: Iterable[int]) -> None:
    """Workers that outlive a parent leave by themselves when they have saved; nothing of ours stays longer."""
    end = time.monotonic() + 5
    for process in list(processes):
        while time.monotonic() < end and Path(f"/proc/{process}").exists():
            time.sleep(0.1)
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
