"""Asks a checkpoint one process's share of a benchmark's batches. Runs in worker processes."""

import json
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from model.config import Dtype, GenerationConfig
from pipeline.compute.launch import WorkerEvent
from pipeline.compute.worker import Supervisor
from pipeline.core.files import write_text
from pipeline.core.settings import Settings
from pipeline.data.image_reader import ImageReader
from pipeline.evaluation.answers import ModelUnderTest, answer_batches, batches, kept_answers, kept_line
from pipeline.evaluation.models.checkpoint import CheckpointUnderTest
from pipeline.evaluation.predict import as_asked, as_seen, benchmark_items
from pipeline.evaluation.sharing import AnsweringJob
from pipeline.store.artifacts import WORK_FOLDER, read_manifest

PROGRESS = "answer questions"


def work(job_file: Path, _supervisor: Supervisor, settings: Settings) -> None:
    """A worker process's part of a job."""
    rank, num_processes = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    do_job(job_file, rank=rank, num_processes=num_processes, num_decoders=0, report=WorkerEvent.report)


def do_job(
    job_file: Path, *, rank: int, num_processes: int, num_decoders: int, report: Callable[[WorkerEvent], None]
) -> None:
    """Ask every n-th batch. Decoders are those of encoding; the images of a batch of questions are few."""
    job = AnsweringJob.model_validate_json(job_file.read_text(encoding="utf-8"))
    dataset = read_manifest(job.dataset)
    items = as_seen(benchmark_items(job.benchmark, dataset), job.benchmark)
    folder = job.directory / WORK_FOLDER
    kept = kept_answers(folder / "answers.jsonl")

    def tell(count: int) -> None:
        report(WorkerEvent(PROGRESS, len(kept), count, job.num_items, "items"))

    own = batches(items, job.batch_size)[rank::num_processes]
    missing = [[item for item in batch if item.item_id not in kept] for batch in own]
    tell(0)
    if not any(missing):
        return
    model = as_asked(_model(job.model, job.generation, job.dtype), job.benchmark)
    failures: dict[str, str] = {}
    with (folder / f"answers-{rank}-of-{num_processes}.jsonl").open("a", encoding="utf-8") as file:
        for answer in answer_batches(model, [batch for batch in missing if batch], images=ImageReader([dataset])):
            if answer.error is not None:
                failures[answer.item_id] = answer.error
            else:
                file.write(kept_line(answer.item_id, answer.prediction or ""))
                file.flush()
            tell(1)
    write_text(folder / f"failures-{rank}-of-{num_processes}.json", json.dumps(failures))


@lru_cache(maxsize=1)
def _model(folder: Path, generation: GenerationConfig, dtype: Dtype) -> ModelUnderTest:
    """Kept for the next part of a job in this process."""
    return CheckpointUnderTest(folder, generation, dtype=dtype)
