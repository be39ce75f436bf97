"""What a training tells of its optimizer steps while it runs."""

import time

from pipeline.launch import WorkerEvent

SECONDS_BETWEEN_REPORTS = 0.5


class Reporter:
    """Tells rank 0's progress to ``pipeline.launch``, at most a few times a second; first what an earlier run did."""

    def __init__(self, stage: str, earlier: list[dict[str, float]], *, total: int) -> None:
        self._stage = stage
        self._total = total
        self._start = len(earlier)
        self._waiting = list(earlier)
        self._new: list[dict[str, float]] = []
        self._last = time.monotonic()
        self._event([]).tell()

    def report(self, row: dict[str, float]) -> None:
        self._waiting.append(dict(row))
        self._new.append(row)
        seconds = time.monotonic() - self._last
        if seconds < SECONDS_BETWEEN_REPORTS and row["optimizer_step"] != self._total:
            return
        tokens_per_second = sum(row["num_tokens"] for row in self._new) / max(seconds, 1e-9)
        self._waiting[-1]["tokens_per_second"] = tokens_per_second
        self._event(self._waiting, note=f"loss {row['loss']:.3f}, {tokens_per_second:.0f} tokens/s").tell()
        self._waiting, self._new, self._last = [], [], time.monotonic()

    def _event(self, rows: list[dict[str, float]], *, note: str = "") -> WorkerEvent:
        return WorkerEvent(
            self._stage, self._start, len(self._new), self._total, "optimizer steps", note=note, rows=rows
        )
