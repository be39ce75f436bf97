"""How long to wait for a server that is busy, and when to give up."""

import logging
import random
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pipeline.core.errors import TransientError

log = logging.getLogger(__name__)


class TryAgainError(Exception):
    """This attempt brought nothing complete; the next may, after the seconds that the server asks for."""

    def __init__(self, reason: str, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


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

    def wait(self, failures: int, *, asked: float | None, stop: threading.Event) -> None:
        """Wait before the next attempt, twice as long after each failure; a stop ends the wait.

        Raises:
            TransientError: the server asks for more time than anyone would wait.
        """
        if asked is not None and asked > self.longest_asked:
            raise TransientError(f"the server asks to wait {asked:.0f} s; run the same command again then")
        backoff = min(self.longest_delay, self.first_delay * 2 ** (failures - 1)) * (0.5 + self.jitter() / 2)
        delay = max(backoff, asked or 0.0)
        log.info("a server is not ready; attempt %d in %.0f s", failures + 1, delay)
        (self.sleep or stop.wait)(delay)


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
