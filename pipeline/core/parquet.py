"""Parquet files that appear under their names only when they are complete."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.files import appearing

T = TypeVar("T")

ROWS_PER_GROUP = 20_000
"""Rows that are held in memory before they are written."""


@contextmanager
def table_writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """A writer of tables and batches; the file gets its name when the block ends without an error."""
    with (
        appearing(path) as unfinished,
        pq.ParquetWriter(unfinished, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        yield writer


def write_table(path: Path, table: pa.Table) -> None:
    """Write a whole table."""
    with table_writer(path, table.schema) as writer:
        writer.write_table(table)


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]], *, schema: pa.Schema) -> None:
    """Write rows of plain values under a fixed schema."""
    with table_writer(path, schema) as writer:
        for group in groups(rows, ROWS_PER_GROUP):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


def groups(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Consecutive items in lists of ``size``; the last may be shorter."""
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group
