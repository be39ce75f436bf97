"""What a training shows of itself besides its figures: loss spikes, and the held-out samples at intervals.

All of it goes to the launcher as events, which MLflow shows as metrics, tables and tags. After a restart it is told
again from the beginning, since the run in MLflow is another one.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from pipeline.compute.launch import WorkerEvent
from pipeline.core.errors import TrainingError
from pipeline.core.files import write_text
from pipeline.store.artifacts import WORK_FOLDER
from pipeline.training.checkpoints.folder import whole_checkpoints
from pipeline.training.checkpoints.save import TrainingProgress
from pipeline.training.job import TrainingJob
from pipeline.training.validation import Validation

SPIKES_TABLE = "spikes"
ANSWERS_TABLE = "held_out_answers"


class Monitor:
    """Looks at a training after each optimizer step; every process has one, and that of rank 0 logs what it sees."""

    def __init__(
        self,
        job: TrainingJob,
        progress: TrainingProgress,
        validation: Validation,
        samples_of: Callable[[int], Sequence[str]],
        *,
        total: int,
        is_logging: bool,
    ) -> None:
        self._job = job
        self._progress = progress
        self._validation = validation
        self._spikes = SpikeMonitor(samples_of)
        self._total = total
        self._is_logging = is_logging
        self._images: Mapping[str, Path] = {}

    def begin(self, engine: Any) -> None:
        """Log again what an earlier run saw; a new training is evaluated before its first optimizer step."""
        for row in self._progress.metrics:
            self._spikes.update(row)
        if self._is_logging:
            self._images = self._validation.thumbnails()
            for spike in self._spikes.spikes:
                self._log(_spike_row(spike))
            for row in self._progress.held_out:
                self._log(row)
            self._log_tables()
        if not self._progress.metrics:
            self._evaluate(engine, 0)

    def after_step(self, engine: Any) -> None:
        """Look at the last optimizer step, and evaluate on the held-out samples when it is time."""
        row = self._progress.metrics[-1]
        spike = self._spikes.update(row)
        if spike is not None and self._is_logging:
            self._log(_spike_row(spike))
            self._log_tables()
        self._evaluate(engine, int(row["optimizer_step"]))

    def _evaluate(self, engine: Any, optimizer_step: int) -> None:
        if not self._validation.is_due(optimizer_step, total=self._total):
            return
        row, answers, seconds = self._validation.evaluate(engine, optimizer_step)
        self._progress.held_out.append(row)
        self._progress.answers.extend(answers)
        if self._is_logging:
            self._log({**row, "held_out_seconds": seconds})
            self._log_tables()

    def _log(self, row: Mapping[str, float]) -> None:
        shown = {key: row[key] for key in row if key != "num_supervised_tokens"}
        self._event(rows=[shown]).report()

    def _log_tables(self) -> None:
        """The tables as they are now, whole."""
        tables, flags = {}, {}
        if spikes := self._spikes.spikes:
            tables[SPIKES_TABLE] = self._write(SPIKES_TABLE, list(spikes[0]), [list(row.values()) for row in spikes])
            flags["loss_spike"] = str(spikes[-1]["optimizer_step"])
        if answers := self._progress.answers:
            columns = ["optimizer_step", "image", "question", "reference", "answer"]
            rows = [[self._cell(row, column) for column in columns] for row in answers]
            tables[ANSWERS_TABLE] = self._write(ANSWERS_TABLE, columns, rows)
        if tables:
            self._event(tables=tables, flags=flags).report()

    def _cell(self, answer: Mapping[str, Any], column: str) -> Any:
        if column != "image":
            return answer[column]
        image = answer["image_sha256"]
        return {"image": str(self._images[image])} if image in self._images else None

    def _write(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
        path = self._job.directory / WORK_FOLDER / f"{name}.json"
        write_text(path, json.dumps({"columns": columns, "data": rows}, ensure_ascii=False))
        return str(path)

    def _event(self, **what: Any) -> WorkerEvent:
        return WorkerEvent(self._job.stage, 0, 0, self._total, "optimizer steps", **what)


def _spike_row(spike: Mapping[str, Any]) -> dict[str, float]:
    return {"optimizer_step": spike["optimizer_step"], "loss_spike": spike["loss"]}


WINDOW = 100
FEWEST = 20
"""Optimizer steps before which nothing is called a spike."""
DEVIATIONS = 6.0
DEVIATION_PER_MAD = 1.4826
"""Of a normal distribution."""
SMALLEST_DEVIATION = 0.01
"""Of the median: a constant loss has no deviation of its own."""


def spike_limit(earlier: Sequence[float]) -> float:
    """The loss above which the next one is a spike; infinite in the beginning."""
    window = earlier[-WINDOW:]
    if len(window) < FEWEST:
        return math.inf
    middle = median(window)
    deviation = DEVIATION_PER_MAD * median(abs(loss - middle) for loss in window)
    return middle + DEVIATIONS * max(deviation, SMALLEST_DEVIATION * abs(middle))


class SpikeMonitor:
    """Finds the spikes of a training; those of an earlier run come back from its metrics."""

    def __init__(self, samples_of: Callable[[int], Sequence[str]]) -> None:
        self._samples_of = samples_of
        """Ids of the samples of an optimizer step."""
        self._losses: list[float] = []
        self.spikes: list[dict[str, Any]] = []

    def update(self, row: dict[str, float]) -> dict[str, Any] | None:
        """Look at the next optimizer step; its row of the table if its loss is a spike."""
        limit = spike_limit(self._losses)
        self._losses = [*self._losses[-WINDOW:], row["loss"]]
        if row["loss"] <= limit:
            return None
        optimizer_step = int(row["optimizer_step"])
        spike = {
            "optimizer_step": optimizer_step,
            "loss": row["loss"],
            "limit": limit,
            "gradient_norm": row["gradient_norm"],
            "samples": ", ".join(self._samples_of(optimizer_step)),
        }
        self.spikes.append(spike)
        return spike


def require_finite(value: float, what: str, optimizer_step: int, samples: Sequence[str], checkpoints: Path) -> None:
    """Stop before an optimizer step whose loss or gradient norm is no number gets into a checkpoint.

    Raises:
        TrainingError: with the samples and the checkpoint that the same command goes on from.
    """
    if math.isfinite(value):
        return
    whole = whole_checkpoints(checkpoints)
    start = f"{whole[-1]}" if whole else "the beginning, since there is no whole checkpoint yet"
    raise TrainingError(
        f"the {what} is {value} at optimizer step {optimizer_step}; this step is in no checkpoint. The same command "
        f"goes on from {start} and would come here again: look at the samples, or lower the learning rate. "
        f"the samples were: {', '.join(samples)}"
    )
