"""Samples that are not trained on: their loss and the model's answers at intervals, so that a person sees it learn."""

import hashlib
import heapq
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from deepspeed import comm as dist
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from model.config import GenerationConfig
from model.generator import Generator
from model.vlm import VisionLanguageModel
from pipeline.config.experiment import ValidationConfig
from pipeline.core.files import appearing
from pipeline.core.safe_paths import place_of
from pipeline.data.image_reader import ImageReader
from pipeline.data.images import decode
from pipeline.data.samples import IMAGE_TOKEN, exchanges_of
from pipeline.store.artifacts import WORK_FOLDER, read_manifest
from pipeline.training.collate import collate
from pipeline.training.dataset import TrainingSample
from pipeline.training.distributed import Distributed
from pipeline.training.job import TrainingJob
from pipeline.training.prefetch import DevicePrefetcher

LEAST_TRAINED_ON = 100
"""Training samples for each held-out one, at least: a small dataset is for training."""
LARGEST_DRAWN = 10
"""Samples for each one of a held-out subject, at least."""
THUMBNAIL_PIXELS = 192


def set_aside(subjects: Sequence[str], config: ValidationConfig, *, seed: int) -> tuple[NDArray[np.int64], list[int]]:
    """Which samples are trained on, and which are looked at, by their places among the ``subjects``.

    Subjects (images) are drawn by seed and content, the same for any number of processes. All samples of a drawn one
    leave the training, also those beyond ``num_samples``; so one that has more than a tenth of the samples, such as
    those that all show one logo beside another image, is never drawn.
    """
    wanted = min(config.num_samples, len(subjects) // LEAST_TRAINED_ON)
    places: dict[str, list[int]] = {}
    for place, subject in enumerate(subjects if wanted else ()):
        places.setdefault(subject, []).append(place)
    places = {subject: own for subject, own in places.items() if LARGEST_DRAWN * len(own) <= len(subjects)}
    left_out: list[int] = []
    for subject in heapq.nsmallest(wanted, places, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest()):
        if len(left_out) < wanted:
            left_out += places[subject]
    return np.setdiff1d(np.arange(len(subjects)), left_out), left_out[:wanted]


class Validation:
    """Evaluates the validation samples with the model as it is. All processes take part in the loss."""

    def __init__(
        self,
        job: TrainingJob,
        samples: Sequence[TrainingSample],
        tokenizer: PreTrainedTokenizerBase,
        prefetcher: DevicePrefetcher,
        distributed: Distributed,
    ) -> None:
        self._job = job
        self._config = job.config.held_out
        self._samples = samples
        self._tokenizer = tokenizer
        self._prefetcher = prefetcher
        self._features = prefetcher.features
        self._distributed = distributed
        self._questions = _questions(job.dataset / "samples.parquet", samples[: self._config.num_answers])

    def is_due(self, optimizer_step: int, *, total: int) -> bool:
        """Before the first optimizer step, at intervals, and after the last one."""
        return bool(self._samples) and (optimizer_step % self._config.every == 0 or optimizer_step == total)

    def evaluate(self, engine: Any, optimizer_step: int) -> tuple[dict[str, float], list[dict[str, Any]], float]:
        """The row of the loss, the rows of the answers (of rank 0), and the seconds that it took."""
        started = time.monotonic()
        with _evaluating(engine.module):
            total, count = self._loss(engine)
            answers = self._answers(engine.module) if self._takes_part_in_answers(engine) else []
        row = {"optimizer_step": optimizer_step, "held_out_loss": total / count, "num_supervised_tokens": count}
        rows = [{"optimizer_step": optimizer_step, **answer} for answer in answers]
        return row, rows, time.monotonic() - started

    def _loss(self, engine: Any) -> tuple[float, int]:
        """Sum over the supervised tokens of all held-out samples, which the processes share, and their number."""
        size, distributed = self._job.config.micro_batch_size, self._distributed
        own = self._samples[distributed.rank :: distributed.num_processes]
        sums = torch.zeros(2, dtype=torch.float64, device=distributed.device)
        for start in range(
            0, -(-len(self._samples) // distributed.num_processes), size
        ):  # the same number for each process
            batch = collate(own[start : start + size], features=self._features)
            (inputs,) = self._prefetcher.inputs([batch])
            sums += torch.tensor([float(engine(*inputs)), batch.num_supervised_tokens], device=distributed.device)
        dist.all_reduce(sums)
        return float(sums[0]), int(sums[1])

    def _takes_part_in_answers(self, engine: Any) -> bool:
        """Under ZeRO-3 every process holds a part of each weight, so all answer the same questions."""
        return bool(self._questions) and (self._distributed.rank == 0 or engine.zero_optimization_stage() == 3)

    def _answers(self, model: VisionLanguageModel) -> list[dict[str, Any]]:
        """A question that leaves no room for an answer is not asked; the others' answers take what all leave."""
        generator = Generator(model, self._tokenizer, self._job.config.template)
        asked, prompts = [], []
        for question in self._questions:
            prompt = generator.prompt(question.text, self._features_of(question.images))
            room = generator.room(prompt)
            if room is None or room > 0:
                asked.append(question)
                prompts.append(prompt)
        if not asked:
            return []
        config = generator.fitted(GenerationConfig(max_new_tokens=self._config.max_new_tokens), prompts)
        answers = generator.answer(prompts, config)
        return [{**question.row, "answer": answer} for question, answer in zip(asked, answers, strict=True)]

    def _features_of(self, images: Sequence[str]) -> Sequence[torch.Tensor]:
        if not images:
            return ()
        return tuple(self._features.on_device(self._features.load(images), self._distributed.device))

    def thumbnails(self) -> dict[str, Path]:
        """A small PNG of each image that is asked about, in the stage's work folder."""
        shown = (question.row["image_sha256"] for question in self._questions)
        images = sorted({image for image in shown if image is not None})
        folder = self._job.directory / WORK_FOLDER / "held_out"
        folder.mkdir(exist_ok=True)
        where = str(self._job.dataset)  # it may come from elsewhere
        paths = {image: place_of(f"{image}.png", folder, where=where) for image in images}
        if paths:
            reader = ImageReader([read_manifest(self._job.dataset)])
            for image, path in paths.items():
                thumbnail = decode(reader.read(image))
                thumbnail.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
                with appearing(path) as unfinished:
                    thumbnail.save(unfinished, format="PNG")
        return paths


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of a validation sample, the images that it shows, and the row of its answer without the answer."""

    text: str
    images: tuple[str, ...]
    row: dict[str, Any]


def _questions(samples_file: Path, samples: Sequence[TrainingSample]) -> list[_Question]:
    """The first exchange of each sample, as the dataset has it."""
    if not samples:
        return []
    wanted = {sample.sample_id: sample for sample in samples}
    columns = ["sample_id", "turns"]
    rows = pq.read_table(samples_file, columns=columns, filters=[("sample_id", "in", list(wanted))]).to_pylist()
    exchanges = {row["sample_id"]: exchanges_of(row["turns"])[0] for row in rows}
    return [_question(sample, *exchanges[name]) for name, sample in wanted.items()]


def _question(sample: TrainingSample, text: str, reference: str) -> _Question:
    """Of several images those that the question names; the first of them stands in the row."""
    images = sample.images if len(sample.images) < 2 else sample.images[: text.count(IMAGE_TOKEN)]
    row = {
        "sample_id": sample.sample_id,
        "image_sha256": images[0] if images else None,
        "question": text.replace(IMAGE_TOKEN, "").strip(),
        "reference": reference,
    }
    return _Question(text, images, row)


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """No dropout, no gradients; afterwards every part is in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, is_training in modes:
            module.training = is_training
