"""What a training tells of its optimizer steps while it runs."""

import time

from pipeline.gpus import device_peak
from pipeline.launch import WorkerEvent
from pipeline.training.ranks import Ranks
from pipeline.training.speed import Interval, peak_memory_bytes

SECONDS_BETWEEN_REPORTS = 0.5


class Reporter:
    """Tells rank 0's progress to ``pipeline.launch``, at most a few times a second; first what an earlier run did."""

    def __init__(self, stage: str, earlier: list[dict[str, float]], *, total: int, ranks: Ranks) -> None:
        self._stage = stage
        self._total = total
        self._start = len(earlier)
        self._waiting: list[dict[str, float]] = []
        self._ranks = ranks
        self._peak = device_peak(ranks.device)
        self._interval = Interval()
        self._began = self._last = time.monotonic()
        self._event(earlier).tell()

    def report(self, row: dict[str, float], *, waited_seconds: float) -> None:
        """A finished optimizer step, and how long its data was waited for."""
        self._waiting.append(dict(row))
        self._interval.add(row, waited_seconds=waited_seconds)
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_REPORTS and row["optimizer_step"] != self._total:
            return
        figures = self._figures(row, now)
        self._waiting[-1] |= figures
        self._event(self._waiting, note=line_of(row, figures, is_measured_peak=self._peak.is_measured)).tell()
        self._waiting, self._interval, self._last = [], Interval(), now

    def _figures(self, row: dict[str, float], now: float) -> dict[str, float]:
        done = row["optimizer_step"] - self._start
        return self._interval.figures(
            seconds=now - self._last, num_devices=self._ranks.num_processes, peak=self._peak
        ) | {
            "peak_memory_gib": peak_memory_bytes(self._ranks.device) / 2**30,
            "seconds_left": (self._total - row["optimizer_step"]) * (now - self._began) / max(done, 1),
        }

    def _event(self, rows: list[dict[str, float]], *, note: str = "") -> WorkerEvent:
        count = self._interval.num_steps
        return WorkerEvent(self._stage, self._start, count, self._total, "optimizer steps", note=note, rows=rows)


def line_of(row: dict[str, float], figures: dict[str, float], *, is_measured_peak: bool) -> str:
    """The figures of a report for the log, behind the steps done and the time left.

    ``is_measured_peak``: this device's peak is not known, so its utilisation is a part of what was measured.
    """
    of_measured = " of the measured rate" if is_measured_peak else ""
    return ", ".join(
        [
            f"loss {row['loss']:.3f}",
            f"rate {row['learning_rate']:.1e}",
            f"gradient {row['gradient_norm']:.2f}",
            f"{figures['samples_per_second']:.1f} samples/s",
            f"{figures['tokens_per_second']:.0f} tokens/s",
            f"MFU {figures['mfu_percent']:.0f} %{of_measured}",
            f"padding {figures['padding_percent']:.1f} %",
            f"waiting {figures['data_wait_percent']:.0f} %",
            f"{figures['peak_memory_gib']:.1f} GiB",
        ]
    )
