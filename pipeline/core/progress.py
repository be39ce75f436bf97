"""Progress of a long step: done, total, rate, time left. A line in the log every few seconds, and whoever listens.

The flows listen to draw a bar and to keep MLflow and the Prefect page up to date; the steps do not know who listens.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.core.wording import duration_text, rate_text, size_text

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 5.0
BYTES = "bytes"
"""The unit of what is shown as kB, MB, GB."""
PERIODIC = "is_periodic"
"""Attribute of the log records that a terminal shows as a bar instead."""


Metrics = Sequence[tuple[int, Mapping[str, float]]]


@dataclass(frozen=True, slots=True)
class Event:
    """One report; ``metrics`` are pairs of an optimizer step and its figures.

    ``tables`` are JSON files to show in MLflow under the given names: ``{"columns": [...], "data": [[...], ...]}``,
    where a cell ``{"image": "/path/of/a/file.png"}`` is shown as the picture. They and their images are copied while
    the event is heard; a second table of the same name replaces the first. ``flags`` become tags of the step's run.
    """

    name: str
    done: int
    total: int
    unit: str
    metrics: Metrics = ()
    note: str = ""
    tables: Mapping[str, Path] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)


Listener = Callable[[Event], None]

_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("progress_listeners", default=())


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send every event of the enclosed work to ``listener`` as well."""
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)


class Progress:
    """Counts the units of one piece of work."""

    def __init__(self, name: str, *, total: int, unit: str, start: int = 0) -> None:
        self.name = name
        self.total = total
        self.unit = unit
        self.done = start
        self._start = start
        self._started = self._last_line = time.monotonic()

    def advance(
        self,
        count: int = 1,
        *,
        metrics: Metrics = (),
        note: str = "",
        tables: Mapping[str, Path] | None = None,
        flags: Mapping[str, str] | None = None,
    ) -> None:
        """``count`` more units are done; the rest is as in ``Event``."""
        self.done += count
        event = Event(self.name, self.done, self.total, self.unit, metrics, note, tables or {}, flags or {})
        for listener in _listeners.get():
            listener(event)
        if time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            log.info("%s", self.line(note), extra={PERIODIC: True})

    def finish(self, note: str = "") -> None:
        """Say how long it took."""
        seconds = time.monotonic() - self._started
        count = self.done - self._start
        rate = f", {self._rate(count / seconds)}" if seconds > 0 and count else ""
        done = self._amount(self.done)
        log.info("%s: %s in %s%s%s", self.name, done, duration_text(seconds), rate, f", {note}" if note else "")

    def line(self, note: str = "") -> str:
        """``name: 120/400 images (30%), 61.3 images/s, 5 s left``."""
        seconds = time.monotonic() - self._started
        rate = (self.done - self._start) / seconds if seconds > 0 else 0.0
        done = self._amount(self.done) if self.unit == BYTES else str(self.done)
        parts = [f"{self.name}: {done}/{self._amount(self.total)} ({100 * self.done / max(self.total, 1):.0f}%)"]
        if rate > 0:
            parts.append(f"{self._rate(rate)}, {duration_text((self.total - self.done) / rate)} left")
        return ", ".join([*parts, note] if note else parts)

    def _amount(self, count: int) -> str:
        """``400 images``; bytes in units that can be read."""
        return size_text(count) if self.unit == BYTES else f"{count} {self.unit}"

    def _rate(self, per_second: float) -> str:
        return f"{size_text(per_second)}/s" if self.unit == BYTES else rate_text(per_second, self.unit)
