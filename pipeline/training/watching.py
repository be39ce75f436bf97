"""What a training shows of itself besides its figures: loss spikes, and the held-out samples at intervals.

All of it goes to the launcher as events, which MLflow shows as metrics, tables and tags. After a restart it is told
again from the beginning, since the run in MLflow is another one.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.launch import WorkerEvent
from pipeline.store import WORK_FOLDER, write_text
from pipeline.training.checkpoints import TrainingProgress
from pipeline.training.held_out import HeldOutWatch
from pipeline.training.spikes import SpikeWatch
from pipeline.training.stage import TrainingJob

SPIKES_TABLE = "spikes"
ANSWERS_TABLE = "held_out_answers"


class Watch:
    """Looks at a training after each optimizer step; every process has one, and that of rank 0 tells."""

    def __init__(
        self,
        job: TrainingJob,
        progress: TrainingProgress,
        held_out: HeldOutWatch,
        samples_of: Callable[[int], Sequence[str]],
        *,
        total: int,
        is_teller: bool,
    ) -> None:
        self._job = job
        self._progress = progress
        self._held_out = held_out
        self._spikes = SpikeWatch(samples_of)
        self._total = total
        self._is_teller = is_teller
        self._images: Mapping[str, Path] = {}

    def begin(self, engine: Any) -> None:
        """Tell again what an earlier run saw; a new training is looked at before its first optimizer step."""
        for row in self._progress.metrics:
            self._spikes.take(row)
        if self._is_teller:
            self._images = self._held_out.thumbnails()
            for spike in self._spikes.spikes:
                self._tell(_spike_row(spike))
            for row in self._progress.held_out:
                self._tell(row)
            self._tell_tables()
        if not self._progress.metrics:
            self._look(engine, 0)

    def after_step(self, engine: Any) -> None:
        """Look at the last optimizer step, and at the held-out samples when it is time."""
        row = self._progress.metrics[-1]
        spike = self._spikes.take(row)
        if spike is not None and self._is_teller:
            self._tell(_spike_row(spike))
            self._tell_tables()
        self._look(engine, int(row["optimizer_step"]))

    def _look(self, engine: Any, optimizer_step: int) -> None:
        if not self._held_out.is_due(optimizer_step, total=self._total):
            return
        row, answers, seconds = self._held_out.look(engine, optimizer_step)
        self._progress.held_out.append(row)
        self._progress.answers.extend(answers)
        if self._is_teller:
            self._tell({**row, "held_out_seconds": seconds})
            self._tell_tables()

    def _tell(self, row: Mapping[str, float]) -> None:
        shown = {key: row[key] for key in row if key != "num_supervised_tokens"}
        self._event(rows=[shown]).tell()

    def _tell_tables(self) -> None:
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
            self._event(tables=tables, flags=flags).tell()

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
