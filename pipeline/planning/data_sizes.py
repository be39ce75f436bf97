"""How much data an experiment has, counted where it is prepared and estimated where it is not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.benchmarks.known import protocol_of
from pipeline.config.datasets import HfDatasetSource
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.config.experiment import DatasetSource, ExperimentConfig, PublishedSource, ShapesJaSource
from pipeline.data.download.registry import find_dataset, find_source
from pipeline.data.hf_datasets.sizes import expected_size
from pipeline.data.local_records import as_table, json_records, record_files
from pipeline.data.prepare import DatasetSummary
from pipeline.data.record_images import image_names
from pipeline.data.samples import Sample, normalise
from pipeline.data.shapes_ja import generate_shapes
from pipeline.planning.steps import Plan, Role, Step
from pipeline.store.artifacts import ArtifactStore

IMAGES_LOOKED_AT = 50
RECORDS_LOOKED_AT = 20_000
BYTES_PER_ROW = 200
"""Of a table with ids and short texts, compressed."""
CHARACTERS_PER_BYTE = 0.25
"""Japanese characters in a file of records: three bytes each, beside the names of the fields."""
COMPRESSION = 0.4
"""Bytes of samples.parquet for one of the records."""
CHARACTERS_PER_TOKEN = 1.5
"""Japanese text, with the tokenizers in use; for estimates only."""


@dataclass(frozen=True, slots=True)
class DatasetSize:
    """What a dataset holds, or will."""

    num_images: int
    num_samples: int
    num_characters: int
    num_bytes: int
    num_further_images: int = 0
    """Images of samples behind their first ones, each as often as it is shown."""

    @property
    def num_shown_images(self) -> int:
        """Images as often as they are shown: one for each sample, and those behind it."""
        return self.num_samples + self.num_further_images

    @property
    def num_text_tokens(self) -> float:
        return self.num_characters / CHARACTERS_PER_TOKEN

    def asked_by(self, benchmark: BenchmarkConfig) -> "DatasetSize":
        """What a benchmark's protocol asks of these items."""
        protocol = protocol_of(benchmark.name, benchmark.protocol)
        if protocol is None:
            return self
        num_items = min(protocol.num_items, self.num_samples)
        num_characters, num_further = (
            number * num_items // max(self.num_samples, 1) for number in (self.num_characters, self.num_further_images)
        )
        return replace(self, num_samples=num_items, num_characters=num_characters, num_further_images=num_further)


def data_sizes(config: ExperimentConfig, plan: Plan, *, store: ArtifactStore) -> Mapping[str, DatasetSize]:
    """Of every dataset: ``pretrain``, ``finetune`` and the benchmarks by their names."""
    sources: dict[str, DatasetSource] = {"pretrain": config.datasets.pretrain, "finetune": config.datasets.finetune}
    sources |= {benchmark.name: benchmark.source for benchmark in config.evaluation.benchmarks}
    return {name: _size(source, plan[Role("dataset", name)], store) for name, source in sources.items()}


def _size(source: DatasetSource, step: Step, store: ArtifactStore) -> DatasetSize:
    """From the artifact once there is one; before, from the records, or from the first of those to be generated."""
    if manifest := store.find(step.request):
        summary = DatasetSummary.of(manifest)
        return DatasetSize(
            summary.num_images,
            summary.num_samples,
            summary.num_characters,
            manifest.num_bytes,
            summary.num_further_images,
        )
    if isinstance(source, ShapesJaSource):
        return _drawn(source)
    if isinstance(source, PublishedSource):
        return _published(source.name)
    if isinstance(source, HfDatasetSource):
        size = expected_size(source, root=store.root)
        return DatasetSize(size.num_rows, size.num_rows, size.num_characters, size.num_bytes)
    if (table := as_table(source)) is not None:
        size = expected_size(table, root=store.root)
        return DatasetSize(size.num_rows, size.num_rows, size.num_characters, size.num_bytes)
    return _first_records(record_files(source))


def _drawn(source: ShapesJaSource) -> DatasetSize:
    """The first ``IMAGES_LOOKED_AT``, for all."""
    num_drawn = min(source.num_images, IMAGES_LOOKED_AT)
    drawn = list(generate_shapes(source.content, num_images=num_drawn, seed=source.seed))
    num_bytes = sum(len(image or b"") for image in {record["image"]: image for record, (image,) in drawn}.values())
    return _extrapolated([record for record, _ in drawn], source.num_images / num_drawn, num_bytes=num_bytes)


def _published(name: str) -> DatasetSize:
    """What the registry says of a dataset that is not prepared yet."""
    dataset = find_dataset(name)
    num_bytes = find_source(dataset.annotations.source).approximate_bytes
    return DatasetSize(
        min(dataset.num_images, dataset.num_records),
        dataset.num_records,
        int(num_bytes * CHARACTERS_PER_BYTE),
        int(num_bytes * COMPRESSION),
    )


def _first_records(files: Sequence[Path]) -> DatasetSize:
    """The first ``RECORDS_LOOKED_AT`` of some files, for all of them by their share of the bytes."""
    num_read = 0

    def advance(num_bytes: int) -> None:
        nonlocal num_read
        num_read += num_bytes

    first = islice((record for record, _ in json_records(files, advance=advance)), RECORDS_LOOKED_AT)
    records = [record for record in first if isinstance(record, dict)]
    num_bytes = sum(file.stat().st_size for file in files)
    factor = num_bytes / num_read if len(records) == RECORDS_LOOKED_AT and num_read else 1.0
    return _extrapolated(records, factor, num_bytes=len(records) * BYTES_PER_ROW)


def _extrapolated(records: Sequence[Mapping[str, Any]], factor: float, *, num_bytes: int) -> DatasetSize:
    """What some records and their bytes are, times a factor."""
    named = [[str(name) for name in image_names(record) if name] for record in records]
    num_images = len({name for names in named for name in names})
    num_further = sum(len(names[1:]) for names in named)
    numbers = num_images, len(records), sum(map(_characters, records)), num_bytes, num_further
    return DatasetSize(*(int(number * factor) for number in numbers))


def _characters(record: Mapping[str, Any]) -> int:
    """Characters of a record's messages; a record that cannot be used counts none."""
    sample = normalise(record, record_index=0)
    return sum(len(turn.text) for turn in sample.turns) if isinstance(sample, Sample) else 0
