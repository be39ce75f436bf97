"""Kills at any time in any step, by any signal, of the process or its group: the next run ends with the same bytes."""

import os
import random
import signal
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.campaign.cases import LostError
from tests.campaign.damage import EXPERIMENT
from tests.campaign.runs import SECONDS_TO_LEAVE, Ends, Runs, count, processes_of
from tests.support.commands import LLAVA_JP, Commands, clean_environment

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
WHOM = ("process", "group")
LONGEST_WAIT = 12.0
"""Seconds in which a fork has come far, or to its end; a whole command, which imports first, gets twice as long."""
SHARE_WHOLE = 0.1
"""Of the cases: commands as a user starts them, with a Prefect server of their own."""


class Kills:
    """Runs of an experiment on copies of a store that lack what some step and those after it made."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def case(self, chance: random.Random, folder: Path) -> Mapping[str, int]:
        """One to six runs that are killed, and one that ends."""
        is_whole = chance.random() < SHARE_WHOLE
        store = self._runs.copy(folder, first_missing=chance.randrange(len(self._runs.addresses)))
        ends: Ends = {}
        try:
            for _ in range(chance.choice((1, 2, 3)) if is_whole else chance.choice((2, 4, 6))):
                name, whom = chance.choice(SIGNALS), chance.choice(WHOM)
                wait = chance.uniform(0.2, LONGEST_WAIT)
                was_killed = (
                    self._whole(folder, store, name, whom, 2 * wait)
                    if is_whole
                    else self._fork(store, name, whom, wait)
                )
                count(ends, f"{name.name} to the {whom}" if was_killed else "ended before the signal")
                if not was_killed:
                    break
            self._runs.require_same(store, f"{ends}")
        finally:
            _end(processes_of(folder))
        return ends

    def _fork(self, store: Path, name: signal.Signals, whom: str, wait: float) -> bool:
        run = self._runs.start(store, "run", EXPERIMENT)
        try:
            if run.wait(wait) is not None:
                return False
            run.signal(name, whom)
            if run.wait(SECONDS_TO_LEAVE) is None:
                raise LostError(f"{SECONDS_TO_LEAVE:.0f} s after {name.name} to the {whom} it still ran")
        finally:
            run.end()
        return True

    def _whole(self, folder: Path, store: Path, name: signal.Signals, whom: str, wait: float) -> bool:
        commands = Commands(clean_environment(folder))
        run = commands.started(*LLAVA_JP, "run", EXPERIMENT, log=folder / "whole.log", LLAVA_JP_STORE=str(store))
        end = time.monotonic() + wait
        while time.monotonic() < end:
            if run.poll() is not None:
                return False
            time.sleep(0.05)
        (os.killpg if whom == "group" else os.kill)(run.pid, name)
        end = time.monotonic() + SECONDS_TO_LEAVE
        while run.poll() is None:
            if time.monotonic() > end:
                os.killpg(run.pid, signal.SIGKILL)
                run.wait()
                raise LostError(f"{SECONDS_TO_LEAVE:.0f} s after {name.name} to the {whom} it still ran")
            time.sleep(0.05)
        return True


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
