"""Faults of the disk: full at any size, read-only, not readable, out of files; files and folders that are gone.

A command then ends well, or says what is wrong and where; with the disk well again the bytes are those of a run that
was never disturbed. Nothing here needs rights that a user lacks: small and read-only disks are mounts in a namespace of
one process (``unshare``), and are left out where the system allows none.
"""

import errno
import json
import random
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pipeline.store.queries import describe, query_names
from tests.campaign.damage import EXPERIMENT
from tests.campaign.runs import FAULTY, ONE_STEP, Ends, Runs, count, explained, real_command

ERRNOS = (errno.ENOSPC, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.ESTALE, errno.EMFILE)
READING = (errno.EIO, errno.ESTALE, errno.EACCES, errno.EMFILE)
"""What also befalls files that are only read."""
MOST_CALLS, MOST_CALLS_OF_A_STEP = 400, 40
"""That a run, and a step, makes below its store, about."""
SHARE_OF_STEPS = 0.8
"""Of the cases: one step without Prefect, which takes a second."""
FULL = (
    'size=$1 small=$2 store=$3 after=$4; shift 4; mount -t tmpfs -o size="$size" none "$small" '
    '&& cp -a "$store/." "$small" && { "$@"; code=$?; cp -a "$small" "$after"; exit $code; }'
)
"""The store is copied to a small disk, which is gone when the command is over, and what came of it is copied back."""
READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
NAMESPACE = ("unshare", "--map-root-user", "--mount", "sh", "-c")


class Disk:
    """Commands of a user on stores that lie on bad disks."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._asked = [name for name in query_names() if not any(one.is_required for one in describe(name).parameters)]

    def case(self, chance: random.Random, folder: Path) -> Mapping[str, int]:
        """Commands or one step with a fault each time, and then without."""
        if chance.random() < SHARE_OF_STEPS:
            return self._one_step(chance, folder)
        store = self._runs.copy(folder, first_missing=chance.randrange(len(self._runs.addresses) + 1))
        ends: Ends = {}
        kinds = (self._faulty, self._gone, self._mounted)
        for _ in range(chance.choice((1, 2, 3))):
            (kind,) = chance.choices(kinds, (70, 20, 10 if may_mount() else 0))
            count(ends, kind(chance, folder, store))
        self._runs.require_same(store, f"{ends}")
        return ends

    def _one_step(self, chance: random.Random, folder: Path) -> Ends:
        """A step, without Prefect, on a disk with another fault each time."""
        number = chance.randrange(len(self._runs.addresses))
        store = self._runs.copy_to_make(folder, number)
        ends: Ends = {}
        for _ in range(chance.choice((2, 4, 8))):
            name, fault = chance.choice((_failing, _bounded))(chance, store, most=MOST_CALLS_OF_A_STEP)
            role = self._runs.roles[number]
            code, text = self._runs.finished(store, role, module=ONE_STEP, FAULTY_DISK=json.dumps(fault))
            count(ends, f"{name}: {explained(code, text, after=f'{role} with {fault}')}")
        self._runs.require_same_step(store, number, f"{self._runs.roles[number]}: {ends}")
        return ends

    def _command(self, chance: random.Random, folder: Path) -> tuple[str, ...]:
        query = ("query", chance.choice(self._asked))
        out = folder / f"out-{chance.randrange(10**6)}"
        reading = (("show", EXPERIMENT), ("compare", EXPERIMENT), ("verify",), query, ("results", EXPERIMENT))
        return chance.choice((*[("run", EXPERIMENT)] * 6, *reading, ("export", EXPERIMENT, str(out))))

    def _faulty(self, chance: random.Random, folder: Path, store: Path) -> str:
        """A command that some call of the system fails, or that may not make large files."""
        name, fault = chance.choice((_failing, _failing, _failing, _bounded))(chance, store, most=MOST_CALLS)
        command = self._command(chance, folder)
        code, text = self._runs.finished(store, *command, module=FAULTY, FAULTY_DISK=json.dumps(fault))
        return f"{name}: {explained(code, text, after=f'{command} with {fault}')}"

    def _gone(self, chance: random.Random, folder: Path, store: Path) -> str:
        """A file or folder of the store is not there, or something else is in its place."""
        places = [path for path in store.rglob("*") if "mlflow" not in path.name and not path.is_symlink()]
        path, aside = chance.choice(sorted(places)), folder / "aside"
        path.rename(aside)
        match chance.choice(("gone", "a file", "a folder", "a link to nothing")):
            case "a file":
                path.write_bytes(b"?")
            case "a folder":
                path.mkdir()
            case "a link to nothing":
                path.symlink_to("nothing")
        command = self._command(chance, folder)
        try:
            code, text = self._runs.finished(store, *command)
            return f"gone: {explained(code, text, after=f'{command} without {path}')}"
        finally:
            _remove(path)
            if path.parent.is_dir():
                aside.rename(path)
            _remove(aside)

    def _mounted(self, chance: random.Random, folder: Path, store: Path) -> str:
        """A real small disk, or one that is read-only."""
        command = self._command(chance, folder)
        if chance.random() < 0.5:
            code, text = real_command(folder, (*NAMESPACE, READ_ONLY, "sh", str(store)), *command, store=store)
            return f"read-only: {explained(code, text, after=f'{command} on a read-only disk')}"
        size = f"{_kilobytes(store) + chance.randrange(100, 9000)}k"
        small, after = folder / "small", folder / "after"
        small.mkdir(exist_ok=True)
        prefix = (*NAMESPACE, FULL, "sh", size, str(small), str(store), str(after))
        code, text = real_command(folder, prefix, *command, store=small)
        if after.is_dir():
            shutil.rmtree(store)
            after.rename(store)
        return f"full: {explained(code, text, after=f'{command} on a disk of {size}')}"


Fault = Mapping[str, object]


def _failing(chance: random.Random, store: Path, *, most: int) -> tuple[str, Fault]:
    """Some call of the system fails, once or from then on."""
    number = chance.choice(ERRNOS)
    fault = {
        "errno": number,
        "after": int(most * chance.random() ** 2),
        "times": chance.choice((1, 10**9)),
        "below": str(store),
        "reads": number in READING,
    }
    return errno.errorcode[number], fault


def _bounded(chance: random.Random, store: Path, *, most: int) -> tuple[str, Fault]:
    """No file may become larger."""
    return "EFBIG", {"file_bytes": int(10 ** chance.uniform(2, 6.2)), "below": str(store)}


def _kilobytes(folder: Path) -> int:
    """What its files take on a disk."""
    return sum(4 * -(-path.stat().st_size // 4096) for path in folder.rglob("*") if path.is_file())


@cache
def may_mount() -> bool:
    """Whether this system lets a user mount in a namespace of his own."""
    done = subprocess.run((*NAMESPACE, "mount -t tmpfs none /mnt"), capture_output=True, check=False)
    return done.returncode == 0


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
