"""Decode every image that some samples name, once; an interrupted run goes on where it was."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.core.named_files import NamedFiles
from pipeline.core.parquet import groups, table_writer, write_rows
from pipeline.core.progress import Progress
from pipeline.data.images import IMAGE_SCHEMA, PART_SCHEMA, ImageRecord, inspect_file
from pipeline.data.picture_signatures import SIGNATURE_SCHEMA

IMAGES_PER_PART = 4096
"""Images whose inspection is lost when the process is killed, at most."""

BYTES_PER_PART = 64 << 20
"""Of images that come with their records: about what is in memory before it is written."""

IMAGES_PER_GROUP = 32
"""Of many images with their bytes: what is read from the disk to have one of them."""


def inspect_images(samples_file: Path, *, images: Path | None, parts: Path) -> None:
    """Write the rows of ``IMAGE_SCHEMA`` of all images of a samples file, in parts of ``IMAGES_PER_PART``.

    ``images`` is their folder; None for a dataset that has none, where every image comes with its record.
    """
    names = _names(samples_file)
    if embedded := embedded_parts(parts):
        kept = {name for part in embedded for name in _names(part)}
        names = [name for name in names if name not in kept]
    numbered = enumerate(groups(names, IMAGES_PER_PART))
    missing = [(part, group) for number, group in numbered if not (part := part_file(parts, number)).exists()]
    num_done = len(names) - sum(len(group) for _, group in missing)
    progress = Progress("decode images", total=len(names), unit="images", start=num_done)
    folder = None if images is None else NamedFiles(images)
    with ThreadPoolExecutor() as pool:
        for part, group in missing:
            records = pool.map(lambda name: _inspected(name, folder), group)
            write_rows(part, _counted(records, progress), schema=PART_SCHEMA)
    progress.finish()


def _inspected(image: str, folder: NamedFiles | None) -> ImageRecord:
    if folder is None:
        return ImageRecord(image, status="missing", reason="the row names a file, and the dataset has no folder images")
    return inspect_file(image, folder=folder)


def _counted(records: Iterable[ImageRecord], progress: Progress) -> Iterator[dict[str, Any]]:
    for record in records:
        yield record.row()
        progress.advance()


def _names(table: Path) -> list[str]:
    """All images that a table names, those of one column in their order."""
    with pq.ParquetFile(table) as file:  # the further images of samples only where the table has them
        found = file.read(columns=["image", FURTHER_IMAGES])
    names: list[str] = found["image"].unique().drop_null().to_pylist()
    if FURTHER_IMAGES in found.column_names:
        further = pc.struct_field(pc.list_flatten(found[FURTHER_IMAGES]), "image")
        names = list(dict.fromkeys([*names, *further.unique().to_pylist()]))
    return names


def embedded_part(parts: Path, number: int | None = None) -> Path:
    """Where the images that came with their records lie while the dataset is made; in numbered parts if many."""
    return parts / ("images-embedded.parquet" if number is None else f"images-embedded-{number:06d}.parquet")


def embedded_parts(parts: Path) -> list[Path]:
    """All of them that are there."""
    return sorted(parts.glob("images-embedded*.parquet"))


class KeptImages:
    """Images that come with their records, as parts on disk; few of them are in memory at once."""

    def __init__(self, parts: Path) -> None:
        self._parts = parts
        self._names: set[str] = set()
        self._waiting: list[ImageRecord] = []
        self._num_bytes = self._num_parts = 0
        for part in embedded_parts(parts):  # of a run that was killed
            part.unlink()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, image: ImageRecord) -> None:
        """Keep an image under its name."""
        self._names.add(image.image)
        self._waiting.append(image)
        self._num_bytes += len(image.bytes or b"")
        if self._num_bytes > BYTES_PER_PART:
            self._write(self._num_parts)

    def finish(self) -> None:
        """Write what is still in memory."""
        if self._waiting:
            self._write(self._num_parts or None)

    def _write(self, number: int | None) -> None:
        write_rows(embedded_part(self._parts, number), (one.row() for one in self._waiting), schema=PART_SCHEMA)
        self._waiting, self._num_bytes, self._num_parts = [], 0, self._num_parts + 1


def part_file(parts: Path, number: int) -> Path:
    """Where a part of the images lies while the dataset is made."""
    return parts / f"images-{number:05d}.parquet"


def join_parts(parts: Path, path: Path) -> pa.Table:
    """Write all parts into one file, and their signatures into another beside it.

    Returns the columns that samples need: image, image_sha256, status, reason.
    """
    tables = [pa.table({name: pa.array([], pa.string()) for name in LINK_COLUMNS})]
    signatures_file = path.with_name(SIGNATURES_FILE)
    with (
        table_writer(path, IMAGE_SCHEMA) as writer,
        table_writer(signatures_file, SIGNATURE_SCHEMA) as signature_writer,
    ):
        for batch in _batches(parts):
            writer.write_batch(batch.select(IMAGE_SCHEMA.names).cast(IMAGE_SCHEMA))
            signatures = pa.table(batch)["signatures"].combine_chunks().flatten()
            signature_writer.write_table(pa.Table.from_struct_array(signatures).cast(SIGNATURE_SCHEMA))
            tables.append(pa.table(batch.select(LINK_COLUMNS)).replace_schema_metadata())
    return pa.concat_tables(table.cast(tables[0].schema) for table in tables).combine_chunks()


SIGNATURES_FILE = "signatures.parquet"
FURTHER_IMAGES = "further_images"
LINK_COLUMNS = ["image", "image_sha256", "status", "reason"]


def _batches(parts: Path) -> Iterator[pa.RecordBatch]:
    for part in sorted(parts.glob("images-*.parquet")):
        is_numbered = part.name.startswith("images-embedded-")
        yield from pq.ParquetFile(part).iter_batches(batch_size=IMAGES_PER_GROUP if is_numbered else IMAGES_PER_PART)
