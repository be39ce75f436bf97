"""Delivers a spool in a thread of its own: in order, again after every failure, and never in the way of the work."""

import logging
import threading
import time
from types import TracebackType
from typing import Protocol, Self

from pipeline.tracking.outbox import Operation, Outbox, Spool

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
SECONDS_BETWEEN_LOOKS = 30.0
"""How often spools that other processes left behind are looked for."""
FAILURES_BEFORE_WARNING = 2
"""A single failure is a blip: an idle connection that the server has closed."""
SECONDS_FOR_AN_ABSENT_SERVER = 5.0
SECONDS_FOR_A_PRESENT_SERVER = 60.0
"""How long the end of a run waits for what is still to be delivered."""


class UnreachableError(Exception):
    """The server did not take an operation now; it may have got it all the same."""


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
        self._deadline = float("inf")
        self._failures = 0
        self._next_look = 0.0
        self._thread = threading.Thread(target=self._work, name="delivery to MLflow", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the rest; what the server does not take in a few seconds stays on the disk."""
        started = time.monotonic()
        self._deadline = started + SECONDS_FOR_AN_ABSENT_SERVER
        self.spool.is_closed = True
        self._stopping.set()
        self.spool.changed.set()
        while self._thread.is_alive() and time.monotonic() < started + self._patience():
            self._thread.join(0.02)
        if self.spool.folder.exists() and (num_waiting := self.spool.num_waiting()):
            log.warning(
                "%d operations for MLflow at %s wait in %s: "
                "the next `llava-jp run`, or `llava-jp deliver`, delivers them",
                num_waiting,
                self._server.name,
                self.spool.folder,
            )

    def _patience(self) -> float:
        """The thread gives an absent server up by itself, unless a call hangs."""
        return 2 * SECONDS_FOR_AN_ABSENT_SERVER if self._failures else SECONDS_FOR_A_PRESENT_SERVER

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
                if time.monotonic() >= self._deadline:
                    return
                pause = min(FIRST_PAUSE_SECONDS * 2.0 ** (self._failures - 1), LONGEST_PAUSE_SECONDS)
                if self._stopping.is_set():
                    time.sleep(FIRST_PAUSE_SECONDS)
                else:
                    self._stopping.wait(pause)
            else:
                self._succeeded()
                if is_last:
                    return
                self.spool.changed.wait(SECONDS_BETWEEN_LOOKS)

    def _deliver_everything(self) -> None:
        if self._failures or time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS
            deliver_abandoned(self._outbox, self._server)
        deliver(self.spool, self._server)

    def _failed(self, error: UnreachableError) -> None:
        self._failures += 1
        if self._failures == FAILURES_BEFORE_WARNING:
            log.warning(
                "MLflow at %s does not answer (%s); the run goes on, and what is meant for it waits in %s",
                self._server.name,
                error,
                self._outbox.folder,
            )

    def _succeeded(self) -> None:
        if self._failures >= FAILURES_BEFORE_WARNING:
            log.info("MLflow at %s answers again: what waited is delivered", self._server.name)
        self._failures = 0


def deliver(spool: Spool, server: Server) -> int:
    """Deliver what waits in a spool; returns the number of operations.

    Raises:
        UnreachableError: the server does not take them now; the rest stays.
    """
    num_delivered = 0
    for operation, end in spool.waiting():
        try:
            server.apply(operation, spool)
        except RefusedError as error:
            if spool.refused(operation, str(error)):
                log.warning("MLflow at %s refused %s of a run: %s", server.name, operation.kind, error)
        except UnreachableError:
            spool.is_doubtful = True
            raise
        spool.delivered(end)
        spool.is_doubtful = False
        num_delivered += 1
    return num_delivered


def deliver_abandoned(outbox: Outbox, server: Server) -> int:
    """Deliver what other processes left behind, oldest first; returns the number of operations.

    Raises:
        UnreachableError: the server does not take them now; the rest stays.
    """
    num_delivered = 0
    for spool in outbox.abandoned():
        try:
            num_delivered += deliver(spool, server)
        finally:
            spool.release()
    return num_delivered
