"""How long to wait for a server that is busy, and when to give up."""

import logging
import random
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NoReturn, TypeVar

import tenacity

from pipeline.core.errors import TransientError

log = logging.getLogger(__name__)

T = TypeVar("T")


class TryAgainError(Exception):
    """This attempt brought nothing complete; the next may, after the seconds that the server asks for."""

    def __init__(self, reason: str, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


OnFailure = Callable[[int, TryAgainError], object]
GiveUp = Callable[[int, TryAgainError], Exception]
"""The error to raise after so many failures, of which the last is given."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long to wait for a server; times in seconds."""

    attempts: int = 8
    """Attempts in a row that bring nothing new."""
    first_delay: float = 1.0
    longest_delay: float = 60.0
    longest_asked: float = 900.0
    """The longest ``Retry-After`` that is waited for."""
    timeout: float = 30.0
    """For a connection, and for the next bytes of an answer."""
    sleep: Callable[[float], object] | None = None
    jitter: Callable[[], float] = random.random

    def call(
        self,
        attempt: Callable[[], T],
        *,
        stop: threading.Event,
        give_up: GiveUp,
        on_failure: OnFailure = lambda _failures, _error: None,
        num_bytes: Callable[[], int] = lambda: 0,
    ) -> T:
        """What an attempt returns; after a ``TryAgainError`` there is another, with pauses that double.

        Attempts that get further (``num_bytes``) are no reason to give up. A stop ends a pause, and no attempt follows.

        Raises:
            TransientError: the server asks for more time than anyone would wait.
            Exception: that of ``give_up``.
        """
        failed = _Failures(self, stop, give_up, on_failure, num_bytes, furthest=num_bytes())
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TryAgainError),
            after=failed.count,
            wait=failed.delay,
            stop=failed.are_enough,
            before_sleep=failed.refuse_long_pause,
            sleep=failed.pause,
            retry_error_callback=failed.end,
        )
        return retrying(attempt)


@dataclass(slots=True)
class _Failures:
    """The failures in a row of one call, and what follows from them."""

    patience: Patience
    stop: threading.Event
    give_up: GiveUp
    on_failure: OnFailure
    num_bytes: Callable[[], int]
    furthest: int
    number: int = 0
    last: TryAgainError = field(default_factory=lambda: TryAgainError("no attempt"))

    def count(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        assert isinstance(error, TryAgainError)
        if (num_bytes := self.num_bytes()) > self.furthest:
            self.number, self.furthest = 0, num_bytes
        self.number, self.last = self.number + 1, error
        self.on_failure(self.number, error)

    def delay(self, _: tenacity.RetryCallState) -> float:
        doubled = self.patience.first_delay * 2.0 ** (self.number - 1)
        backoff = min(self.patience.longest_delay, doubled) * (0.5 + self.patience.jitter() / 2)
        return max(backoff, self.last.after or 0.0)

    def are_enough(self, _: tenacity.RetryCallState) -> bool:
        return self.number >= self.patience.attempts or self.stop.is_set()

    def refuse_long_pause(self, _: tenacity.RetryCallState) -> None:
        asked = self.last.after
        if asked is not None and asked > self.patience.longest_asked:
            raise TransientError(f"the server asks to wait {asked:.0f} s; run the same command again then")

    def pause(self, seconds: float) -> None:
        log.info("a server is not ready; attempt %d in %.0f s", self.number + 1, seconds)
        (self.patience.sleep or self.stop.wait)(seconds)
        if self.stop.is_set():
            self.end()

    def end(self, _: tenacity.RetryCallState | None = None) -> NoReturn:
        raise self.give_up(self.number, self.last) from self.last


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Seconds that a server asks to wait, from seconds or a date; None when it does not say.

    The Hub may say it as ``RateLimit: "api";r=0;t=55`` instead: no requests remain for 55 seconds.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    if limit := re.search(r"\br=0;\s*t=(\d+)", headers.get("RateLimit", "")):
        return float(limit[1])
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - (now or datetime.now(UTC))).total_seconds())
