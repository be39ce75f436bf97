"""Answers of one checkpoint from several processes: every n-th batch each, here or on the machines of a cluster.

The batches are those of one process, whoever asks them, so in float32 the answers are the same. Every process keeps its
answers at once, in a file of its own; the process that started them puts the files together. What they do is
``pipeline.evaluation.answering_worker``.
"""

import json
import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Literal

from model.config import Dtype, GenerationConfig
from pipeline.compute.hosts import Host
from pipeline.compute.launch import WorkersProgress, launch
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.core.errors import StoreError
from pipeline.core.files import write_text
from pipeline.core.settings import Settings
from pipeline.evaluation.answers import kept_answers, kept_line
from pipeline.evaluation.rows import Item, Prediction
from pipeline.features.cache import RunJob
from pipeline.store.artifacts import WORK_FOLDER
from pipeline.store.manifest import Record

ITEMS_PER_PROCESS = 64
"""At least: a process takes seconds to start and to read the model."""


class AnsweringJob(Record):
    """Everything a worker needs, as a file."""

    entry: Literal["pipeline.evaluation.answering_worker"] = "pipeline.evaluation.answering_worker"
    kind: Literal["answer"] = "answer"
    benchmark: BenchmarkConfig
    generation: GenerationConfig
    batch_size: int
    dtype: Dtype = "float32"
    model: Path
    dataset: Path
    directory: Path
    """The partial directory of the answers."""
    num_items: int
    num_batches: int


def on_this_machine(settings: Settings) -> RunJob:
    """What runs a job in processes of this machine, one for each device."""

    def run(job_file: Path) -> None:
        job = AnsweringJob.model_validate_json(job_file.read_text(encoding="utf-8"))
        num_processes = processes_for(job.num_items, num_devices=settings.num_processes)
        if num_processes == 1:
            do_job = import_module(job.entry).do_job
            do_job(job_file, rank=0, num_processes=1, num_decoders=0, report=WorkersProgress().update)
            return
        hosts = (Host("localhost", num_processes),)
        launch(job_file, hosts=hosts, master_port=settings.master_port, seconds_to_stop=settings.seconds_to_stop)

    return run


def processes_for(num_items: int, *, num_devices: int) -> int:
    """How many processes share some items."""
    return max(1, min(num_devices, math.ceil(num_items / ITEMS_PER_PROCESS)))


def answer_together(items: Sequence[Item], job: AnsweringJob, *, run_job: RunJob) -> list[Prediction]:
    """Every item's answer, in order. What an interrupted call has kept, of however many processes, is not asked again.

    Raises:
        PipelineError, TransientError: what stopped the processes.
        StoreError: an answer that was kept is damaged.
    """
    folder = job.directory / WORK_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    _discard_failures(folder)
    if len(_gathered(folder)) < len(items):
        write_text(folder / "job.json", job.model_dump_json(indent=2))
        run_job(folder / "job.json")
    kept, failures = _gathered(folder), _failures(folder)
    if lost := [item.item_id for item in items if item.item_id not in kept and item.item_id not in failures]:
        raise StoreError(f"{folder}: no process has asked item {lost[0]} and {len(lost) - 1} others; run it again")
    return [
        item.answered(kept[item.item_id]) if item.item_id in kept else item.failed(failures[item.item_id])
        for item in items
    ]


def _gathered(folder: Path) -> Mapping[str, str]:
    """All answers by item, put together in the file that one process alone writes."""
    whole = folder / "answers.jsonl"
    own = sorted(folder.glob("answers-*.jsonl"))
    kept = dict(kept_answers(whole))
    for file in own:
        kept |= kept_answers(file)
    if own:
        write_text(whole, "".join(kept_line(name, said) for name, said in kept.items()))
        for file in own:
            file.unlink()
    return kept


def _failures(folder: Path) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for file in folder.glob("failures-*.json"):
        found |= json.loads(file.read_text(encoding="utf-8"))
    return found


def _discard_failures(folder: Path) -> None:
    """They are asked once more."""
    for file in folder.glob("failures-*.json"):
        file.unlink()
