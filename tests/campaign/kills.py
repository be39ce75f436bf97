"""Kills at any time in any step, by any signal, of the process or its group: the next run ends with the same bytes."""

import os
import random
import signal
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.campaign.cases import LostError
from tests.campaign.damage import EXPERIMENT
from tests.campaign.runs import ONE_STEP, SECONDS_TO_LEAVE, Ends, Run, Runs, count, processes_of
from tests.support.commands import LLAVA_JP, Commands, clean_environment

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
WHOM = ("process", "group")
LONGEST_WAIT = 12.0
"""Seconds in which a fork has come far, or to its end; a whole command, which imports first, gets twice as long."""
SHARES = {"step": 0.8, "fork": 0.15, "whole": 0.05}
"""Of the cases: one step without Prefect; a whole run, as a fork; commands as a user starts them, with a Prefect server
of their own."""
LONGEST_STEP = {"pretrain": 4.0, "finetune": 4.0, "features": 4.0}
"""Seconds of the steps that start processes; the others are done in one."""


class Kills:
    """Runs of an experiment on copies of a store that lack what some step and those after it made."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def case(self, chance: random.Random, folder: Path) -> Mapping[str, int]:
        """One to six runs that are killed, and one that ends."""
        (kind,) = chance.choices(list(SHARES), list(SHARES.values()))
        if kind == "step":
            return self._one_step(chance, folder)
        is_whole = kind == "whole"
        store = self._runs.copy(folder, first_missing=chance.randrange(len(self._runs.addresses)))
        ends: Ends = {}
        try:
            for _ in range(chance.choice((1, 2, 3)) if is_whole else chance.choice((2, 4, 6))):
                name, whom = chance.choice(SIGNALS), chance.choice(WHOM)
                wait = chance.uniform(0.2, LONGEST_WAIT)
                was_killed = (
                    self._whole(folder, store, name, whom, 2 * wait)
                    if is_whole
                    else _killed(self._runs.start(store, "run", EXPERIMENT), name, whom, after=wait)
                )
                count(ends, f"{name.name} to the {whom}" if was_killed else "ended before the signal")
                if not was_killed:
                    break
            self._runs.require_same(store, f"{ends}")
        finally:
            _end(processes_of(folder))
        return ends

    def _one_step(self, chance: random.Random, folder: Path) -> Ends:
        """A step that is killed up to eight times, each time where the last one came to, and then made."""
        number = chance.randrange(len(self._runs.addresses))
        role = self._runs.roles[number]
        store = self._runs.copy_to_make(folder, number)
        ends: Ends = {}
        for _ in range(chance.choice((2, 4, 8))):
            name, whom = chance.choice(SIGNALS), chance.choice(WHOM)
            wait = chance.uniform(0.05, LONGEST_STEP.get(role.partition("/")[0], 1.0))
            run = self._runs.start(store, role, module=ONE_STEP)
            was_killed = _killed(run, name, whom, after=wait)
            count(ends, f"{name.name} to the {whom}" if was_killed else "ended before the signal")
            if not was_killed:
                break
        self._runs.require_same_step(store, number, f"{role}: {ends}")
        return ends

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


def _killed(run: Run, name: signal.Signals, whom: str, *, after: float) -> bool:
    """Whether it was still running; it is gone when this returns."""
    try:
        if run.wait(after) is not None:
            return False
        run.signal(name, whom)
        if run.wait(SECONDS_TO_LEAVE) is None:
            raise LostError(f"{SECONDS_TO_LEAVE:.0f} s after {name.name} to the {whom} it still ran")
    finally:
        run.end()
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
