"""Step: a model's answers to one benchmark. An item that fails is a row with its error."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch

from model.checkpoint import LoadedModel, load_model
from model.config import GenerationConfig
from model.conversation import encode_prompt
from model.s2 import join_scales
from model.vision_tower import pixels_of
from pipeline.batches import exchanges_of
from pipeline.config import BenchmarkConfig
from pipeline.errors import DataError
from pipeline.features import default_device, encode_pixels
from pipeline.identity import identity
from pipeline.images import ImageReader, decode
from pipeline.manifest import Manifest, Request
from pipeline.parquet import write_rows
from pipeline.prediction_rows import PREDICTION_SCHEMA, Prediction
from pipeline.progress import Progress
from pipeline.store import WORK_FOLDER, ArtifactStore, write_text

log = logging.getLogger(__name__)

VERSION = 1  # raise when the same request should give a different result


@dataclass(frozen=True, slots=True)
class Item:
    """One question of a benchmark with its reference answer."""

    benchmark: str
    item_id: str
    category: str | None
    question: str
    reference: str
    image_sha256: str | None

    def answered(self, prediction: str | None, error: str | None) -> Prediction:
        return Prediction(
            benchmark=self.benchmark,
            item_id=self.item_id,
            category=self.category,
            question=self.question,
            reference=self.reference,
            prediction=prediction,
            image_sha256=self.image_sha256,
            error=error,
        )


def predictions_request(
    benchmark: BenchmarkConfig,
    generation: GenerationConfig,
    *,
    batch_size: int,
    dataset_fingerprint: str,
    model_fingerprint: str,
) -> Request:
    """What ``predict`` is asked to make."""
    return Request(
        step="predictions",
        version=VERSION,
        config={"benchmark": benchmark.name, "generation": identity(generation), "batch_size": batch_size},
        inputs={"dataset": dataset_fingerprint, "model": model_fingerprint},
    )


def predict(
    benchmark: BenchmarkConfig,
    generation: GenerationConfig,
    *,
    batch_size: int,
    dataset: Manifest,
    model: Manifest,
    store: ArtifactStore,
) -> Manifest:
    """Write ``predictions.parquet`` and ``predictions.jsonl`` (llm-jp-eval-mm's shape: question_id, text)."""
    request = predictions_request(
        benchmark,
        generation,
        batch_size=batch_size,
        dataset_fingerprint=dataset.fingerprint,
        model_fingerprint=model.fingerprint,
    )

    def work(directory: Path) -> dict[str, Any]:
        items = _items(benchmark, dataset)
        if not items:
            raise DataError(f"benchmark {benchmark.name} has no item; `llava-jp query finding_examples` says why")
        loaded = load_model(model.directory, device=default_device())
        answers = _answer_all(loaded, items, ImageReader([dataset]), generation, batch_size, directory / WORK_FOLDER)
        write_rows(directory / "predictions.parquet", (answer.row() for answer in answers), schema=PREDICTION_SCHEMA)
        lines = [{"question_id": answer.item_id, "text": answer.prediction or ""} for answer in answers]
        text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
        write_text(directory / "predictions.jsonl", text)
        num_failed = sum(answer.error is not None for answer in answers)
        return {"benchmark": benchmark.name, "num_items": len(answers), "num_failed": num_failed}

    return store.produce(request, work)


def _items(benchmark: BenchmarkConfig, dataset: Manifest) -> list[Item]:
    rows = pq.read_table(dataset.path("samples.parquet")).to_pylist()
    return [
        Item(benchmark.name, row["sample_id"], row["category"], *exchanges_of(row["turns"])[0], row["image_sha256"])
        for row in rows
    ]


def _answer_all(
    model: LoadedModel,
    items: Sequence[Item],
    images: ImageReader,
    generation: GenerationConfig,
    batch_size: int,
    work: Path,
) -> list[Prediction]:
    """Every item's answer, in order. Answered batches are kept in ``answers.jsonl`` for a restart."""
    work.mkdir(exist_ok=True)
    kept = work / "answers.jsonl"
    answers = [Prediction(**row) for row in _whole_lines(kept)]
    answers = answers[: len(answers) // batch_size * batch_size]  # a batch is answered whole or again
    write_text(kept, "".join(_line(answer) for answer in answers))
    progress = Progress("answer questions", total=len(items), unit="items", start=len(answers))
    with kept.open("a", encoding="utf-8") as file:
        for start in range(len(answers), len(items), batch_size):
            batch = _answer(model, items[start : start + batch_size], images, generation)
            file.write("".join(_line(answer) for answer in batch))
            file.flush()
            answers += batch
            progress.advance(len(batch))
    progress.finish()
    return answers


def _answer(
    model: LoadedModel, items: Sequence[Item], images: ImageReader, generation: GenerationConfig
) -> list[Prediction]:
    """One batch. An image that cannot be read fails its item alone."""
    pixels: dict[int, torch.Tensor] = {}
    errors: dict[int, str] = {}
    for index, item in enumerate(items):
        try:
            if item.image_sha256 is not None:
                image = decode(images.read(item.image_sha256))
                pixels[index] = pixels_of(image, image_size=model.config.images.image_size)
        except DataError as error:
            errors[index] = str(error)
    encoded = encode_pixels(model.vision_tower, list(pixels.values()), model.config.images) if pixels else []
    features = dict(zip(pixels, (join_scales(feature[None])[0] for feature in encoded), strict=True))
    answerable = [index for index in range(len(items)) if index not in errors]
    texts = dict(zip(answerable, _generate(model, items, answerable, features, generation), strict=True))
    return [item.answered(texts.get(index), errors.get(index)) for index, item in enumerate(items)]


def _generate(
    model: LoadedModel,
    items: Sequence[Item],
    answerable: Sequence[int],
    features: Mapping[int, torch.Tensor],
    generation: GenerationConfig,
) -> list[str]:
    if not answerable:
        return []
    tokenizer = model.tokenizer
    prompts = [
        encode_prompt(
            items[index].question, has_image=index in features, template=model.config.template, tokenizer=tokenizer
        )
        for index in answerable
    ]
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    ids = model.vlm.generate(
        prompts,
        [features.get(index) for index in answerable],
        generation,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=pad,
    )
    return [text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]


def _line(answer: Prediction) -> str:
    return json.dumps(answer.row(), ensure_ascii=False) + "\n"


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file whose last line a crash may have cut."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    return [json.loads(line) for line in text.split("\n")[:-1]]
