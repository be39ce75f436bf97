"""Step: a model's answers to one benchmark. An item that fails is a row with its error."""

import json
import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from model.config import Dtype, GenerationConfig
from pipeline.benchmarks.known import is_blind, label_of, protocol_of
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.core.errors import DataError
from pipeline.core.files import write_text
from pipeline.core.parquet import write_rows
from pipeline.data.image_reader import ImageReader
from pipeline.data.items import ITEMS_FILE, item_rows
from pipeline.evaluation.answers import ModelUnderTest, answer_items
from pipeline.evaluation.labelled_images import LabelledTogether
from pipeline.evaluation.rows import PREDICTION_SCHEMA, Item, Prediction
from pipeline.evaluation.sharing import AnsweringJob, answer_together
from pipeline.features.cache import RunJob
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest, Request, Summary

log = logging.getLogger(__name__)

STORED = "stored"
"""In place of generation settings: how the answers were made is not known here."""

VERSION = 2  # raise when the same request should give a different result
CHECKPOINT_VERSION = 3  # the same for our own checkpoints; 3: the pixels do not depend on Pillow's version


class PredictionsSummary(Summary):
    """How many items of a benchmark were answered, and how."""

    benchmark: str
    protocol: str
    generation: str
    """Name of the generation settings, or ``STORED``."""
    num_items: int
    num_failed: int

    @property
    def label(self) -> str:
        return label_of(self.benchmark, self.protocol)


def predictions_request(
    benchmark: BenchmarkConfig,
    generation: GenerationConfig,
    *,
    batch_size: int,
    dataset_fingerprint: str,
    model_fingerprint: str,
    dtype: Dtype = "float32",
) -> Request:
    """What a model that was trained in this store is asked to make; an experiment's own evaluation is in float32."""
    return Request(
        step="predictions",
        version=CHECKPOINT_VERSION,
        config={
            "benchmark": benchmark.name,
            "protocol": benchmark.protocol,
            "generation": generation.model_dump(mode="json"),
            "batch_size": batch_size,
            **unless_float32(dtype),
        },
        inputs={"dataset": dataset_fingerprint, "model": model_fingerprint},
    )


def unless_float32(dtype: Dtype) -> dict[str, str]:
    """A checkpoint's number format as a part of a request. Requests were made before there was a choice."""
    return {} if dtype == "float32" else {"dtype": dtype}


def measured_request(
    benchmark: BenchmarkConfig, *, asked: Mapping[str, Any], dataset_fingerprint: str, is_checkpoint: bool
) -> Request:
    """What a model that was not trained in this store is asked to make; ``asked`` says which and how."""
    return Request(
        step="predictions",
        version=CHECKPOINT_VERSION if is_checkpoint else VERSION,
        config={"benchmark": benchmark.name, "protocol": benchmark.protocol, **asked},
        inputs={"dataset": dataset_fingerprint},
    )


def predict(
    benchmark: BenchmarkConfig,
    generation: GenerationConfig,
    *,
    batch_size: int,
    dataset: Manifest,
    model: Manifest,
    store: ArtifactStore,
    run_job: RunJob | None = None,
) -> Manifest:
    """Write ``predictions.parquet`` and ``predictions.jsonl`` with a checkpoint's answers.

    ``run_job`` shares the items among processes; without it they are answered in this one.
    """
    request = predictions_request(
        benchmark,
        generation,
        batch_size=batch_size,
        dataset_fingerprint=dataset.fingerprint,
        model_fingerprint=model.fingerprint,
    )

    def load() -> ModelUnderTest:
        from pipeline.evaluation.models.checkpoint import CheckpointUnderTest  # torch is loaded only when there is work

        return CheckpointUnderTest(model.directory, generation)

    if run_job is None:
        return store.produce(
            request,
            lambda directory: write_predictions(
                load, benchmark, dataset=dataset, batch_size=batch_size, generation=generation, directory=directory
            ),
        )
    return store.produce(
        request,
        lambda directory: write_shared_predictions(
            model.directory,
            benchmark,
            generation,
            dataset=dataset,
            batch_size=batch_size,
            directory=directory,
            run_job=run_job,
        ),
    )


def write_shared_predictions(
    model: Path,
    benchmark: BenchmarkConfig,
    generation: GenerationConfig,
    *,
    dataset: Manifest,
    batch_size: int,
    directory: Path,
    run_job: RunJob,
    dtype: Dtype = "float32",
) -> PredictionsSummary:
    """The same as ``write_predictions`` from the checkpoint in a folder, its items shared among processes."""

    def answer(items: Sequence[Item], directory: Path) -> list[Prediction]:
        job = AnsweringJob(
            benchmark=benchmark,
            generation=generation,
            batch_size=batch_size,
            dtype=dtype,
            model=model,
            dataset=dataset.directory,
            directory=directory,
            num_items=len(items),
            num_batches=math.ceil(len(items) / batch_size),
        )
        return answer_together(items, job, run_job=run_job)

    return _written(answer, benchmark, dataset=dataset, generation=generation, directory=directory)


def write_predictions(
    load: Callable[[], ModelUnderTest],
    benchmark: BenchmarkConfig,
    *,
    dataset: Manifest,
    batch_size: int,
    generation: GenerationConfig | None,
    directory: Path,
) -> PredictionsSummary:
    """Ask a model all items of a benchmark; the files of a ``predictions`` artifact and its summary.

    Args:
        load: gives the model; called once the items are known to be complete.
        benchmark: what is asked.
        dataset: the benchmark's dataset.
        batch_size: items asked together.
        generation: as the model was told, for the summary; None for answers that were made elsewhere.
        directory: the artifact's partial directory.

    Raises:
        DataError: the dataset is not the benchmark that the protocol means.
    """

    def answer(items: Sequence[Item], directory: Path) -> list[Prediction]:
        model = as_asked(load(), benchmark)
        return answer_items(model, items, images=ImageReader([dataset]), batch_size=batch_size, directory=directory)

    return _written(answer, benchmark, dataset=dataset, generation=generation, directory=directory)


def as_asked(model: ModelUnderTest, benchmark: BenchmarkConfig) -> ModelUnderTest:
    """The model as a protocol asks it."""
    protocol = protocol_of(benchmark.name, benchmark.protocol)
    return LabelledTogether(model) if protocol and protocol.is_one_image else model


def as_seen(items: Sequence[Item], benchmark: BenchmarkConfig) -> list[Item]:
    """The items as the model sees them."""
    return [item.without_images() for item in items] if is_blind(benchmark.protocol) else list(items)


def _written(
    answer: Callable[[Sequence[Item], Path], list[Prediction]],
    benchmark: BenchmarkConfig,
    *,
    dataset: Manifest,
    generation: GenerationConfig | None,
    directory: Path,
) -> PredictionsSummary:
    """The files of a ``predictions`` artifact."""
    items = benchmark_items(benchmark, dataset)
    answers = [item.like(said) for item, said in zip(items, answer(as_seen(items, benchmark), directory), strict=True)]
    write_rows(directory / "predictions.parquet", (answer.row() for answer in answers), schema=PREDICTION_SCHEMA)
    write_text(directory / "predictions.jsonl", "".join(map(_line, answers)))
    return PredictionsSummary(
        benchmark=benchmark.name,
        protocol=benchmark.protocol,
        generation=STORED if generation is None else generation.preset,
        num_items=len(answers),
        num_failed=sum(answer.error is not None for answer in answers),
    )


def benchmark_items(benchmark: BenchmarkConfig, dataset: Manifest) -> list[Item]:
    """The items that the protocol asks; of your own benchmark, the first exchange of every sample.

    Raises:
        DataError: there is none, or they are not the published ones.
    """
    items = all_items(benchmark, dataset)
    if not items:
        raise DataError(f"benchmark {benchmark.name} has no item; `llava-jp query finding_examples` says why")
    return select_items(items, benchmark=benchmark.name, protocol=benchmark.protocol)


def all_items(benchmark: BenchmarkConfig, dataset: Manifest) -> list[Item]:
    """Everything in a benchmark's dataset, whatever the protocol asks."""
    if ITEMS_FILE in {file.path for file in dataset.files}:
        rows = pq.read_table(dataset.path(ITEMS_FILE)).to_pylist()
    else:
        rows = list(item_rows(pq.read_table(dataset.path("samples.parquet")).to_pylist(), details={}))
    return [_item(benchmark, row) for row in rows]


def not_asked(benchmark: str, dataset: Manifest) -> str:
    """What is left out of a benchmark of your own whose records are conversations; empty where nothing is."""
    if ITEMS_FILE in {file.path for file in dataset.files}:
        return ""
    turns = pq.read_table(dataset.path("samples.parquet"), columns=["turns"])["turns"]
    further = [len(one) // 2 - 1 for one in turns.to_pylist() if len(one) > 2]
    if not further:
        return ""
    return (
        f"{benchmark} asks the first question of each of its {len(turns)} records; {sum(further)} later questions of "
        f"{len(further)} of them are not asked. To ask one, make it a record of its own"
    )


def _item(benchmark: BenchmarkConfig, row: dict[str, Any]) -> Item:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in row.items()
        if name != "context"  # the judge reads it from the items
    }
    return Item(benchmark=benchmark.name, protocol=benchmark.protocol, **values)


def _line(answer: Prediction) -> str:
    """llm-jp-eval-mm's shape; there too a failed item is an empty text, so the error stands beside it."""
    line = {"question_id": answer.item_id, "text": answer.prediction or ""}
    line |= {} if answer.error is None else {"error": answer.error}
    return json.dumps(line, ensure_ascii=False) + "\n"


def select_items(items: "Sequence[Item]", *, benchmark: str, protocol: str) -> "list[Item]":
    """The items that a protocol asks, in the benchmark's order.

    Raises:
        DataError: they are not those of the published benchmark: another number of them, of images or of a category.
    """
    wanted = protocol_of(benchmark, protocol)
    if wanted is None:
        return list(items)
    chosen = [item for item in items if wanted.places is None or item.question_index in wanted.places]
    counts = dict(Counter(item.category for item in chosen))
    images = len({item.image for item in chosen if item.image is not None})
    expected = _size(wanted.num_items, wanted.num_images, wanted.num_per_category)
    found = _size(
        len(chosen),
        None if wanted.num_images is None else images,
        None if wanted.num_per_category is None else {str(name): counts[name] for name in sorted(counts, key=str)},
    )
    if found != expected and wanted.is_exact:
        raise DataError(
            f"{benchmark}/{protocol} has {expected}; the dataset has {found}. A mean over other questions is another "
            "benchmark: give it another name, or repair the files"
        )
    if note := other_number(benchmark, protocol, num_items=len(chosen)):
        log.warning("%s", note)
    return chosen


def other_number(benchmark: str, protocol: str, *, num_items: int) -> str:
    """What a reader must know where the items are not as many as the protocol says and nobody could verify that."""
    wanted = protocol_of(benchmark, protocol)
    if wanted is None or wanted.num_items == num_items:
        return ""
    return (
        f"{benchmark}/{protocol} has {num_items} items here; {wanted.num_items} were expected, which is not verified. "
        "Published numbers may be of other items"
    )


def _size(num_items: int, num_images: int | None, num_per_category: Mapping[str, int] | None) -> str:
    """What is counted of a benchmark, as text."""
    parts = [f"{num_items} questions"] if num_images is None else [f"{num_items} questions on {num_images} images"]
    parts += (
        [] if num_per_category is None else [f"{number} {name}" for name, number in sorted(num_per_category.items())]
    )
    return ", ".join(parts)
