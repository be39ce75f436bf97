"""What is meant for MLflow, on disk until it is delivered: a server that is away or a killed process loses nothing.

    mlflow-outbox/<start>-<id>/operations.jsonl   a line for each operation, in order, flushed to the disk
                               state.json         the server, how much is delivered, which ids it gave to the runs
                               files/             what the operations upload
                               lock               held by the process that writes or delivers
    mlflow-outbox/refused.jsonl                   operations that the server will never take, with its reason

A spool holds what one process says about a run and its children. It is deleted when all of it is delivered and the runs
have ended; what a process leaves behind, the next one delivers. Credentials are never written here.
"""

import errno
import json
import logging
import os
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.core.files import write_bytes, write_text
from pipeline.core.locks import locked_at_once
from pipeline.tracking.operation import Operation, joined, line_of, operation_of

log = logging.getLogger(__name__)

FOLDER = "mlflow-outbox"
DONE_SUFFIX = ".done"
"""Ending of a delivered spool while it is deleted."""


class Spool:
    """The operations of one process, on disk; the holder of its lock appends and delivers."""

    def __init__(self, folder: Path, lock: Any, state: dict[str, Any], *, is_doubtful: bool) -> None:
        self.folder = folder
        self.changed = threading.Event()
        """Set when something was appended."""
        self.is_doubtful = is_doubtful
        """Whether the server may have got the next operation already, without our having heard of it."""
        self.is_closed = False
        """Nothing will be appended any more."""
        self._lock = lock
        self._state = state
        self._refused_runs: set[str] = set()
        self._appending = threading.Lock()

    @property
    def runs(self) -> dict[str, str]:
        """The server's ids of the runs that it knows, by our own."""
        runs: dict[str, str] = self._state["runs"]
        return runs

    def append(self, operation: Operation) -> None:
        """Write an operation to the disk."""
        line = line_of(operation)
        with self._appending, self._operations_file.open("ab", buffering=0) as file:
            size = file.tell()
            try:
                if file.write(line.encode()) < len(line.encode()):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._operations_file))
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)  # half a line would swallow the next one
                raise
        self.changed.set()

    def keep(self, name: str, content: bytes) -> str:
        """Write a file for an operation to the disk; returns its path below the spool."""
        path = self._new_file(name)
        write_bytes(path, content)
        return str(path.relative_to(self.folder))

    def keep_published(self, source: Path) -> str:
        """The same for a file that is never rewritten: a second name for it, where the file system has that."""
        path = self._new_file(source.name)
        try:
            path.hardlink_to(source)
        except OSError:
            shutil.copyfile(source, path)
        return str(path.relative_to(self.folder))

    def _new_file(self, name: str) -> Path:
        path = self.folder / "files" / uuid.uuid4().hex / name
        path.parent.mkdir(parents=True)
        return path

    def waiting(self) -> Iterator[tuple[Operation, int]]:
        """What is not delivered, and where in the file each ends; neighbours that fit one call are one operation."""
        last: tuple[Operation, int] | None = None
        for operation, end in self._undelivered():
            both = joined(last[0], operation) if last else None
            if last and both is None:
                yield last
            last = (both or operation, end)
        if last:
            yield last

    def _undelivered(self) -> Iterator[tuple[Operation, int]]:
        if not self._operations_file.exists():
            return
        with self._operations_file.open("rb") as file:
            end = file.seek(self._state["num_bytes"])
            for line in file:
                if not line.endswith(b"\n"):
                    return  # its process was killed in the middle of it
                end += len(line)
                yield operation_of(line), end

    def num_waiting(self) -> int:
        """Operations that are not delivered."""
        return sum(1 for _ in self._undelivered())

    def delivered(self, end: int) -> None:
        """Everything up to here is with the server, or refused by it."""
        self._state["num_bytes"] = end
        self._write_state()

    def refused(self, refused: Sequence[tuple[Operation, str]]) -> bool:
        """Keep operations that the server will never take, with its reasons; whether they are the first of a run."""
        with (self.folder.parent / "refused.jsonl").open("a", encoding="utf-8") as file:
            for operation, reason in refused:
                row = {"reason": reason, "spool": self.folder.name, **asdict(operation)}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        runs = {operation.run for operation, _ in refused}
        is_first = not runs <= self._refused_runs
        self._refused_runs |= runs
        return is_first

    def end_abandoned_runs(self) -> None:
        """Say of the runs whose process was killed that they ended with its last sign of life."""
        running: dict[str, None] = {}
        last = 0
        for operation in self._all():
            last = operation.time
            if operation.kind == "create":
                running[operation.run] = None
            elif operation.kind == "end":
                running.pop(operation.run, None)
        self._cut_torn_line()
        for run in reversed(running):
            self.append(Operation("end", run, {"status": "KILLED"}, last))
        self.is_closed = True

    def _all(self) -> Iterator[Operation]:
        if self._operations_file.exists():
            for line in self._operations_file.read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n"):
                    yield operation_of(line)

    def _cut_torn_line(self) -> None:
        if self._operations_file.exists():
            with self._operations_file.open("r+b") as file:
                file.truncate(file.read().rfind(b"\n") + 1)

    def release(self) -> None:
        """Let another process have it; delete it if nothing is left to deliver."""
        if self.is_closed and not self.num_waiting():
            done = self.folder.with_name(self.folder.name + DONE_SUFFIX)
            os.replace(self.folder, done)  # at once: nobody takes over a half deleted spool
            shutil.rmtree(done)
        self._lock.close()

    def _write_state(self) -> None:
        write_text(self.folder / "state.json", json.dumps(self._state))

    @property
    def _operations_file(self) -> Path:
        return self.folder / "operations.jsonl"


class Outbox:
    """All spools of a store."""

    def __init__(self, store_root: Path, *, server: str) -> None:
        self.folder = store_root / FOLDER
        self._server = server

    def new_spool(self) -> Spool:
        """An empty spool of this process, for the server of this machine."""
        folder = self.folder / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
        folder.mkdir(parents=True)
        lock = locked_at_once(folder / "lock")
        assert lock is not None  # others see it with its state only
        spool = Spool(folder, lock, {"server": self._server, "num_bytes": 0, "runs": {}}, is_doubtful=False)
        spool._write_state()
        return spool

    def abandoned(self) -> Iterator[Spool]:
        """Spools for this server that no process holds any more, oldest first; the caller releases them."""
        for folder in sorted(self.folder.glob("*-*/")):
            if folder.name.endswith(DONE_SUFFIX):
                shutil.rmtree(folder, ignore_errors=True)
            elif lock := locked_at_once(folder / "lock"):
                state = _state_of(folder)
                if state is None or state["server"] != self._server:
                    lock.close()
                    continue
                spool = Spool(folder, lock, state, is_doubtful=True)
                spool.end_abandoned_runs()
                yield spool

    def other_servers(self) -> tuple[str, ...]:
        """Servers that other spools wait for."""
        states = [state for folder in sorted(self.folder.glob("*-*/")) if (state := _state_of(folder))]
        return tuple(sorted({state["server"] for state in states} - {self._server}))


def _state_of(folder: Path) -> dict[str, Any] | None:
    """None when its process is about to make it, or has just deleted it; or when it is damaged, which is said."""
    try:
        state: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        types = [type(state.get(name)) for name in ("server", "num_bytes", "runs")]
        if types == [str, int, dict] and 0 <= state["num_bytes"] <= sys.maxsize:
            return state
        problem: Any = "a field is missing or is another"
    except FileNotFoundError:
        return None
    except (ValueError, AttributeError, RecursionError, OSError) as error:
        problem = error
    log.warning(
        "%s is damaged (%s), so what is in its folder is not delivered to MLflow; move the folder away",
        folder / "state.json",
        problem,
    )
    return None
