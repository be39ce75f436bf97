"""Parquet files that appear under their names only when they are complete."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.store import UNFINISHED_SUFFIX


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]], *, schema: pa.Schema) -> None:
    """Write rows of plain values under a fixed schema."""
    table = pa.Table.from_pylist(list(rows), schema=schema)
    unfinished = path.with_name(path.name + UNFINISHED_SUFFIX)
    pq.write_table(table, unfinished, compression="zstd")
    os.replace(unfinished, path)
