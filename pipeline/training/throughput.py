"""How fast a training is: what is counted in every optimizer step, and the figures made of it now and then.

Nothing here waits for the device: all is counted on the host, and every step's loss is read once, when it is complete.
"""

import resource
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch

from pipeline.compute.flops import Work, sum_of_squares
from pipeline.compute.gpus import Peak, device_peak
from pipeline.compute.launch import WorkerEvent
from pipeline.core.wording import rate_text
from pipeline.training.collate import Batch
from pipeline.training.distributed import Distributed

T = TypeVar("T")


class Counts(NamedTuple):
    """Of the micro-batches of one optimizer step. They travel as one tensor, to be summed over all processes."""

    num_samples: float
    num_supervised_tokens: float
    num_tokens: float
    num_padded_tokens: float
    """All that are computed, padding included."""
    num_vision_tokens: float
    sum_of_squares: float
    """Of the lengths of the samples."""

    def columns(self) -> dict[str, float]:
        """Those that are kept of every optimizer step, as they are in ``METRIC_SCHEMA``."""
        kept = ("num_samples", "num_supervised_tokens", "num_tokens", "num_padded_tokens")
        return {name: int(getattr(self, name)) for name in kept}

    @property
    def work(self) -> Work:
        return Work(self.num_tokens, self.num_supervised_tokens, self.num_vision_tokens, self.sum_of_squares)


def counts_of(batches: Sequence[Batch]) -> Counts:
    """A batch without samples counts nothing but its one padded token."""
    lengths = [length for batch in batches for length in batch.lengths.tolist()]
    return Counts(
        num_samples=float(sum(batch.num_samples for batch in batches)),
        num_supervised_tokens=float(sum(batch.num_supervised_tokens for batch in batches)),
        num_tokens=float(sum(lengths)),
        num_padded_tokens=float(sum(batch.input_ids.numel() for batch in batches)),
        num_vision_tokens=float(sum(len(batch.places.vision_I) for batch in batches)),
        sum_of_squares=sum_of_squares(lengths),
    )


def waiting(values: Iterable[T]) -> Iterator[tuple[T, float]]:
    """Each value with the seconds that it was waited for."""
    iterator = iter(values)
    while True:
        began = time.perf_counter()
        try:
            value = next(iterator)
        except StopIteration:
            return
        yield value, time.perf_counter() - began


@dataclass(slots=True)
class Interval:
    """The optimizer steps since the last report."""

    num_steps: int = 0
    num_samples: float = 0.0
    num_tokens: float = 0.0
    num_padded_tokens: float = 0.0
    model_flops: float = 0.0
    waited_seconds: float = 0.0

    def add(self, row: dict[str, float], *, waited_seconds: float) -> None:
        self.num_steps += 1
        self.num_samples += row["num_samples"]
        self.num_tokens += row["num_tokens"]
        self.num_padded_tokens += row["num_padded_tokens"]
        self.model_flops += row["model_flops"]
        self.waited_seconds += waited_seconds

    def figures(self, *, seconds: float, num_devices: int, peak: Peak) -> dict[str, float]:
        """Over ``seconds``, of all devices together; utilisation and waiting are those of a device."""
        seconds = max(seconds, 1e-9)
        return {
            "samples_per_second": self.num_samples / seconds,
            "tokens_per_second": self.num_tokens / seconds,
            "mfu_percent": 100 * self.model_flops / (seconds * num_devices * peak.flops_per_second),
            "padding_percent": 100 * (1 - self.num_tokens / max(self.num_padded_tokens, 1.0)),
            "data_wait_percent": 100 * self.waited_seconds / seconds,
        }


def peak_memory_bytes(device: torch.device) -> int:
    """Most memory that this process's tensors took on a GPU; without one, the process's largest resident memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


SECONDS_BETWEEN_REPORTS = 0.5


class Reporter:
    """Tells rank 0's progress to ``launch``, at most a few times a second; first what an earlier run did."""

    def __init__(self, stage: str, earlier: list[dict[str, float]], *, total: int, distributed: Distributed) -> None:
        self._stage = stage
        self._total = total
        self._start = len(earlier)
        self._waiting: list[dict[str, float]] = []
        self._distributed = distributed
        self._peak = device_peak(distributed.device)
        self._interval = Interval()
        self._began = self._last = time.monotonic()
        self._event(earlier).report()

    def report(self, row: dict[str, float], *, waited_seconds: float) -> None:
        """A finished optimizer step, and how long its data was waited for."""
        self._waiting.append(dict(row))
        self._interval.add(row, waited_seconds=waited_seconds)
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_REPORTS and row["optimizer_step"] != self._total:
            return
        figures = self._figures(row, now)
        self._waiting[-1] |= figures
        self._event(self._waiting, note=line_of(row, figures, is_measured_peak=self._peak.is_measured)).report()
        self._waiting, self._interval, self._last = [], Interval(), now

    def _figures(self, row: dict[str, float], now: float) -> dict[str, float]:
        done = row["optimizer_step"] - self._start
        self._peak = self._peak.at_least(
            self._interval.model_flops / max(now - self._last, 1e-9) / self._distributed.num_processes
        )
        return self._interval.figures(
            seconds=now - self._last, num_devices=self._distributed.num_processes, peak=self._peak
        ) | {
            "peak_memory_gib": peak_memory_bytes(self._distributed.device) / 2**30,
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
            rate_text(figures["samples_per_second"], "samples"),
            rate_text(figures["tokens_per_second"], "tokens"),
            f"MFU {figures['mfu_percent']:.0f} %{of_measured}",
            f"padding {figures['padding_percent']:.1f} %",
            f"waiting {figures['data_wait_percent']:.0f} %",
            f"{figures['peak_memory_gib']:.1f} GiB",
        ]
    )
