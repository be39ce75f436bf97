"""Delivers a spool in a thread of its own: in order, again after every failure, and never in the way of the work."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol, Self

from pipeline.core.wording import first_few
from pipeline.tracking.operation import Operation
from pipeline.tracking.outbox import Outbox, Spool

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
SECONDS_BETWEEN_LOOKS = 30.0
"""How often spools that other processes left behind are looked for."""
FAILURES_BEFORE_WARNING = 2
"""A single failure is a blip: an idle connection that the server has closed."""
SECONDS_FOR_AN_ABSENT_SERVER = 5.0
SECONDS_FOR_A_PRESENT_SERVER = 60.0
"""How long the end of a run waits for what is still to be delivered: without any that is, and with some."""
FAILURES_OF_AN_ABSENT_SERVER = 3
FAILURES_OF_A_PRESENT_SERVER = 20
"""After so many in a row, with nothing delivered between them, the command `deliver` leaves the rest."""
LONGEST_PAUSE_OF_THE_COMMAND = 4.0


class UnreachableError(Exception):
    """The server did not take an operation now.

    Args:
        reason: why.
        is_absent: nobody answers at all.
        may_be_done: it may have got the operation all the same.
    """

    def __init__(self, reason: str, *, is_absent: bool = False, may_be_done: bool = True) -> None:
        super().__init__(reason)
        self.is_absent = is_absent
        self.may_be_done = may_be_done


class RefusedError(Exception):
    """The server will never take an operation."""


class Server(Protocol):
    """Where operations go."""

    @property
    def name(self) -> str:
        """How it is called in messages and on the disk; without credentials."""

    def apply(self, operation: Operation, spool: Spool) -> None:
        """Do what the operation says; compare first with what is there if ``spool.is_doubtful``.

        Raises:
            UnreachableError, RefusedError: it was not done.
        """


class Delivery:
    """Delivers one spool, and those that other processes left, from the beginning to the end of a ``with`` block."""

    def __init__(self, outbox: Outbox, server: Server) -> None:
        self.spool = outbox.new_spool()
        self._outbox = outbox
        self._server = server
        self._stopping = threading.Event()
        self._failures = 0
        self._is_said = False
        self._last_progress = time.monotonic()
        self._next_look = 0.0
        self._thread = threading.Thread(target=self._work, name="delivery to MLflow", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the rest; what the server does not take in a few seconds stays on the disk."""
        started = self._last_progress = time.monotonic()
        self.spool.is_closed = True
        self._stopping.set()
        self.spool.changed.set()
        while self._thread.is_alive() and time.monotonic() < started + SECONDS_FOR_A_PRESENT_SERVER:
            if self._failures and time.monotonic() >= self._last_progress + 2 * SECONDS_FOR_AN_ABSENT_SERVER:
                break  # the thread gives an absent server up by itself, unless a call hangs
            self._thread.join(0.02)
        if self.spool.folder.exists() and (num_waiting := self.spool.num_waiting()):
            log.warning(
                "%d operations for MLflow at %s wait in %s: "
                "the next `llava-jp run`, or `llava-jp deliver`, delivers them",
                num_waiting,
                self._server.name,
                self.spool.folder,
            )

    def _work(self) -> None:
        try:
            self._deliver_until_stopped()
            self.spool.release()
        except Exception as error:  # it must not stop the work whose figures it delivers; they are still on the disk
            log.warning("delivery to MLflow at %s has stopped: %s: %s", self._server.name, type(error).__name__, error)

    def _deliver_until_stopped(self) -> None:
        while True:
            self.spool.changed.clear()
            is_last = self._stopping.is_set()  # looked at first: nothing is appended after it
            try:
                self._deliver_everything()
            except UnreachableError as error:
                self._failed(error)
                if self._stopping.is_set():
                    if time.monotonic() >= self._last_progress + SECONDS_FOR_AN_ABSENT_SERVER:
                        return
                    time.sleep(min(_pause(self._failures, FIRST_PAUSE_SECONDS), FIRST_PAUSE_SECONDS))
                else:
                    self._stopping.wait(_pause(self._failures, LONGEST_PAUSE_SECONDS))
            else:
                self._succeeded()
                if is_last:
                    return
                self.spool.changed.wait(SECONDS_BETWEEN_LOOKS)

    def _deliver_everything(self) -> None:
        """Also what another process left; its trouble does not keep back what this one says."""
        try:
            if self._failures or time.monotonic() >= self._next_look:
                self._next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS
                deliver_abandoned(self._outbox, self._server, on_delivered=self._got_further)
        finally:
            deliver(self.spool, self._server, on_delivered=self._got_further)

    def _got_further(self) -> None:
        self._last_progress = time.monotonic()
        self._failures = 0

    def _failed(self, error: UnreachableError) -> None:
        self._failures += 1
        if self._failures == FAILURES_BEFORE_WARNING and not self._is_said:
            self._is_said = True
            log.warning(
                "MLflow at %s does not answer (%s); the run goes on, and what is meant for it waits in %s",
                self._server.name,
                error,
                self._outbox.folder,
            )

    def _succeeded(self) -> None:
        if self._is_said:
            log.info("MLflow at %s answers again: what waited is delivered", self._server.name)
        self._is_said = False
        self._failures = 0


def _pause(failures: int, longest: float, first: float | None = None) -> float:
    """Seconds after so many failures in a row."""
    return min((FIRST_PAUSE_SECONDS if first is None else first) * 2.0 ** min(failures - 1, 30), longest)


def deliver(spool: Spool, server: Server, *, on_delivered: Callable[[], object] = lambda: None) -> None:
    """Deliver what waits in a spool, one operation after the other.

    Raises:
        UnreachableError: the server does not take them now; the rest stays.
    """
    for operation, end in spool.waiting():
        try:
            refused = list(_refused_of(operation, spool, server))
        except UnreachableError as error:
            spool.is_doubtful |= error.may_be_done
            raise
        if refused and spool.refused(refused):
            names = first_few([str(one) for one, _ in refused])
            log.warning("MLflow at %s refused %s of a run: %s", server.name, names, refused[0][1])
        spool.delivered(end)
        spool.is_doubtful = False
        on_delivered()


def _refused_of(operation: Operation, spool: Spool, server: Server) -> Iterator[tuple[Operation, str]]:
    """Do an operation; of what the server refuses all the others are done. Yields what is left, with the reasons."""
    try:
        server.apply(operation, spool)
    except RefusedError as error:
        parts = operation.parts()
        for part in parts:
            yield from _refused_of(part, spool, server)
        if not parts:
            yield operation, str(error)


def deliver_abandoned(outbox: Outbox, server: Server, *, on_delivered: Callable[[], object] = lambda: None) -> None:
    """Deliver what other processes left behind, oldest first.

    Raises:
        UnreachableError: the server does not take them now; the rest stays.
    """
    for spool in outbox.abandoned():
        try:
            deliver(spool, server, on_delivered=on_delivered)
        finally:
            spool.release()


def deliver_patiently(outbox: Outbox, server: Server) -> int:
    """The same, again after failures as long as it gets further; returns the number of operations.

    Raises:
        UnreachableError: the server is away, or fails too often; the rest stays.
    """
    num_delivered = failures = 0

    def count() -> None:
        nonlocal num_delivered, failures
        num_delivered, failures = num_delivered + 1, 0

    while True:
        try:
            deliver_abandoned(outbox, server, on_delivered=count)
        except UnreachableError as error:
            failures += 1
            if failures >= (FAILURES_OF_AN_ABSENT_SERVER if error.is_absent else FAILURES_OF_A_PRESENT_SERVER):
                raise
            log.info("MLflow at %s does not answer (%s); attempt %d", server.name, error, failures + 1)
            time.sleep(_pause(failures, LONGEST_PAUSE_OF_THE_COMMAND, FIRST_PAUSE_SECONDS / 10))
        else:
            return num_delivered
