"""What a published benchmark is: its protocols and metrics, where its files are, and how they become records.

A score without its protocol means nothing: the first question on each photo and all of them give numbers that differ by
points, in either direction. So a protocol has a name, and the name goes with every number.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from model.config import GenerationPreset
from pipeline.benchmarks.metrics import MetricName
from pipeline.core.errors import DataError
from pipeline.store.sources import PublishedDataset, Source

ALL = "all"
"""The protocol that asks every question; the only one of your own benchmarks."""

OURS = "llava-jp"
"""The protocol whose scorer reads answers as people write them, where that of another harness has defects."""

Pair = tuple[Any, tuple[bytes | None, ...]]
"""A record in LLaVA's form, and the bytes of its images in the record's order: None where the record only names one,
and an empty tuple where it holds none."""
Reader = Callable[[Sequence[Path], Path], Iterator[Pair]]
"""Takes the annotation files and the folder where image paths start."""

PROBLEM = "llava-jp:problem"
"""Key of a record that cannot be used: a check and its evidence."""
NOT_FETCHED = "image_not_fetched"
"""The check of such a record whose image others do not give any more."""

ROWS_PER_BATCH = 64
"""Of tables with images inside."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """Which questions are asked and how answers become numbers.

    The name of somebody else's protocol says whose it is and at which commit, such as ``eval-mm-9f450a5``.
    """

    num_items: int
    """Other items would be another benchmark, so another number of them is refused unless ``is_exact`` is false."""
    what: str
    num_images: int | None = None
    """None where the published table repeats an image under another name, so that it cannot be counted."""
    places: tuple[int, ...] | None = None
    """Which of the questions on an image, from 0; None: all."""
    num_per_category: Mapping[str, int] | None = None
    is_exact: bool = True
    """False where ``num_items`` was not verified: another number is then said, not refused."""
    metrics: tuple[MetricName, ...] = ()
    """The first is the one that stands for the benchmark; none: those of the benchmark."""
    generation: GenerationPreset | None = None
    """How its answers are generated; None: as the experiment says."""
    is_one_image: bool = False
    """The images of an item are shown as one picture with their numbers, for models that take one image."""
    judge: str | None = None
    """How a judge is asked about the answers; None: it is not."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A published benchmark."""

    protocols: Mapping[str, Protocol]
    """By name; the first is the default one."""
    metrics: tuple[MetricName, ...]
    """Of protocols that name none."""
    sources: tuple[Source, ...]
    """What is fetched; the licence is shown before."""
    dataset: PublishedDataset
    """Which files of the sources hold the items. Its name is the benchmark's."""
    read: Reader
    loses_images: bool = False
    """Its images are fetched from addresses of others; items whose image is gone are left out and counted."""

    @property
    def name(self) -> str:
        return self.dataset.name

    def metrics_of(self, protocol: str) -> tuple[MetricName, ...]:
        """The metrics of one protocol."""
        return self.protocols[protocol].metrics or self.metrics


def table_rows(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """The rows of Parquet files, in order.

    Raises:
        DataError: a text in them is not UTF-8, which Parquet promises and nobody checks.
    """
    for file in files:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=ROWS_PER_BATCH):
            try:
                rows = batch.to_pylist()
            except UnicodeDecodeError as error:
                raise DataError(f"{file} has a text that is not UTF-8 ({error}); fetch it again") from error
            yield from rows


def talk(exchanges: Sequence[tuple[str, str]], *, num_images: int = 1) -> list[dict[str, str]]:
    """Messages of a conversation on some images, which all stand before the first question."""
    messages = []
    for index, (question, answer) in enumerate(exchanges):
        messages.append({"from": "human", "value": "<image>\n" * num_images + question if index == 0 else question})
        messages.append({"from": "gpt", "value": answer})
    return messages
