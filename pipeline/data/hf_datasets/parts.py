"""A dataset that Hugging Face Datasets reads, as parts on disk: records, and the images that came with them.

A part is finished when its records are there; they tell where the next part begins, so a killed run goes on after it.
Only images of rows that become samples are kept, each once.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.benchmarks.benchmark import Pair
from pipeline.config.datasets import HfDatasetSource
from pipeline.core.files import write_text
from pipeline.core.parquet import write_rows
from pipeline.core.progress import Progress
from pipeline.data.hf_datasets.sizes import expected_size
from pipeline.data.image_table import embedded_part, embedded_parts
from pipeline.data.images import MAX_FILE_BYTES, PART_SCHEMA, ImageRecord, inspect_bytes
from pipeline.data.record_images import all_named, image_names, with_image_names
from pipeline.data.samples import Sample, normalise

ROWS_VERSION = 1  # raise when the same rows should give other records
ROWS_PER_PART = 1024
"""Rows that are read again after a kill, at most; their images are in memory at once."""


def records_of(source: HfDatasetSource, *, revision: str | None, work: Path, root: Path) -> Iterator[Any]:
    """All records in the order of the rows; what is missing of the parts is read first.

    Raises:
        ConfigError: there is no such configuration, split or column.
        DataError: the files cannot be read.
        TransientError: the Hub does not answer.
    """
    _read_missing(source, revision, work, expected=expected_size(source, root=root).num_rows)
    for part in sorted(work.glob("records-*.json")):
        for entry in json.loads(part.read_text(encoding="utf-8"))["records"]:
            yield entry["record"] if "record" in entry else json.JSONDecodeError(entry["problem"], "", 0)


def rows_of(source: HfDatasetSource, *, revision: str | None, cache: Path) -> Iterator[Pair]:
    """All records and their images, without keeping any."""
    from pipeline.data.hf_datasets.columns import record_of
    from pipeline.data.hf_datasets.stream import batches, open_rows  # Datasets takes a second to import

    for batch, _ in batches(open_rows(source, revision=revision, cache=cache), source, size=ROWS_PER_PART, state=None):
        yield from (record_of(row, source.columns) for row in batch)


def _read_missing(source: HfDatasetSource, revision: str | None, work: Path, *, expected: int) -> None:
    from pipeline.data.hf_datasets.columns import record_of
    from pipeline.data.hf_datasets.stream import batches, open_rows  # Datasets takes a second to import

    done = sorted(work.glob("records-*.json"))
    last: dict[str, Any] = json.loads(done[-1].read_text(encoding="utf-8")) if done else {"next": None, "num_rows": 0}
    images = _Images.found(work)
    progress = Progress("read rows", total=expected, unit="rows", start=last["num_rows"])
    rows = open_rows(source, revision=revision, cache=work / "datasets-cache")
    num_rows = last["num_rows"]
    with ThreadPoolExecutor() as pool:
        stream = batches(rows, source, size=ROWS_PER_PART, state=last["next"])
        for number, (batch, state) in enumerate(stream, start=len(done)):
            pairs = [record_of(row, source.columns) for row in batch]
            records = [images.keep(*pair, record_index=index) for index, pair in enumerate(pairs, start=num_rows)]
            if new := images.taken():
                inspected = pool.map(lambda item: _inspected(*item), new.items())
                write_rows(embedded_part(work, number), (image.row() for image in inspected), schema=PART_SCHEMA)
            num_rows += len(batch)
            part = {"next": state, "num_rows": num_rows, "records": [_entry(record) for record in records]}
            write_text(work / f"records-{number:06d}.json", json.dumps(part, default=str))
            progress.advance(len(batch))
    progress.finish()


def _entry(record: Any) -> dict[str, Any]:
    return {"problem": record.msg} if isinstance(record, json.JSONDecodeError) else {"record": record}


def _inspected(image: str, content: bytes) -> ImageRecord:
    if len(content) > MAX_FILE_BYTES:
        sha256 = hashlib.sha256(content).hexdigest()
        return ImageRecord(image, sha256, status="unreadable", reason=f"more than {MAX_FILE_BYTES} bytes")
    return inspect_bytes(image, content)


class _Images:
    """Names for images that came with their rows: one name, one content."""

    def __init__(self, known: dict[str, str]) -> None:
        self._sha256 = known
        self._new: dict[str, bytes] = {}

    @classmethod
    def found(cls, work: Path) -> "_Images":
        """Those of the parts that are there."""
        tables = [pq.read_table(part, columns=["image", "image_sha256"]) for part in embedded_parts(work)]
        return cls({row["image"]: row["image_sha256"] for table in tables for row in table.to_pylist()})

    def keep(self, record: Any, contents: Sequence[bytes | None], *, record_index: int) -> Any:
        """The record with the names of its images, which are kept if the record can be used."""
        if not contents:
            return record
        names: list[Any] = []
        new: dict[str, tuple[str, bytes]] = {}
        for name, content in zip(image_names(all_named(record, contents)), contents, strict=True):
            if content is not None:
                sha256 = hashlib.sha256(content).hexdigest()
                known = new[name][0] if name in new else self._sha256.get(name, sha256)
                name = name if known == sha256 else f"{name}#{sha256[:16]}"  # two images of one name
                if name not in self._sha256:
                    new[name] = (sha256, content)
            names.append(name)
        record = with_image_names(record, names)
        if new and isinstance(normalise(record, record_index=record_index), Sample):
            self._sha256 |= {name: sha256 for name, (sha256, _) in new.items()}
            self._new |= {name: content for name, (_, content) in new.items()}
        return record

    def taken(self) -> dict[str, bytes]:
        """Those that were not taken yet."""
        new, self._new = self._new, {}
        return new
