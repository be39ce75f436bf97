"""Step: a model's answers to one benchmark. An item that fails is a row with its error."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from model.config import GenerationConfig
from pipeline.config import BenchmarkConfig
from pipeline.errors import DataError
from pipeline.identity import identity
from pipeline.images import ImageReader
from pipeline.manifest import Manifest, Request
from pipeline.parquet import write_rows
from pipeline.prediction_rows import PREDICTION_SCHEMA, Item
from pipeline.samples import IMAGE_TOKEN, exchanges_of
from pipeline.store import ArtifactStore, write_text

VERSION = 1  # raise when the same request should give a different result


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
        from pipeline.answering import answer_all  # torch is loaded only when there is work

        items = benchmark_items(benchmark, dataset)
        answers = answer_all(model.directory, items, ImageReader([dataset]), generation, batch_size, directory)
        write_rows(directory / "predictions.parquet", (answer.row() for answer in answers), schema=PREDICTION_SCHEMA)
        lines = [{"question_id": answer.item_id, "text": answer.prediction or ""} for answer in answers]
        text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
        write_text(directory / "predictions.jsonl", text)
        num_failed = sum(answer.error is not None for answer in answers)
        return {"benchmark": benchmark.name, "num_items": len(answers), "num_failed": num_failed}

    return store.produce(request, work)


def benchmark_items(benchmark: BenchmarkConfig, dataset: Manifest) -> list[Item]:
    """The first exchange of every sample.

    Raises:
        DataError: there is none.
    """
    rows = pq.read_table(dataset.path("samples.parquet")).to_pylist()
    if not rows:
        raise DataError(f"benchmark {benchmark.name} has no item; `llava-jp query finding_examples` says why")
    items = []
    for row in rows:
        question, reference = exchanges_of(row["turns"])[0]
        question = question.replace(IMAGE_TOKEN, "").strip()
        items.append(Item(benchmark.name, row["sample_id"], row["category"], question, reference, row["image_sha256"]))
    return items
