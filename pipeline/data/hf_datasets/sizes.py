"""About how much a dataset holds that is not prepared yet."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config.datasets import HfDatasetSource
from pipeline.core.files import files_below, files_meant
from pipeline.store.lockfile import SourceLock, dataset_pin

BYTES_PER_ROW = 100_000
"""Of a row with its image, where the files do not say; a guess."""
CHARACTERS_PER_ROW = 200


class ExpectedSize(NamedTuple):
    """Rows, characters of their texts, and bytes."""

    num_rows: int
    num_characters: int
    num_bytes: int


def expected_size(source: HfDatasetSource, *, root: Path) -> ExpectedSize:
    """What the files say that are here, or those of a pinned repository; nothing when no run has pinned it yet.

    All splits count: which files belong to one is known when they are read.
    """
    if source.is_on_hub:
        locked = SourceLock(root).find(dataset_pin(source.where))
        num_bytes = sum(file.num_bytes or 0 for file in locked.files) if locked else 0
        return _size(num_bytes // BYTES_PER_ROW, num_bytes)
    files = _files(source)
    num_bytes = sum(file.stat().st_size for file in files)
    return _size(_parquet_rows(files) or num_bytes // BYTES_PER_ROW, num_bytes)


def _size(num_rows: int, num_bytes: int) -> ExpectedSize:
    return ExpectedSize(num_rows, num_rows * CHARACTERS_PER_ROW, num_bytes)


def _files(source: HfDatasetSource) -> Sequence[Path]:
    found: list[Path] = []
    for pattern in source.patterns:
        path = Path(pattern)
        found += files_below(path).values() if path.is_dir() else files_meant(pattern)
    return found


def _parquet_rows(files: Sequence[Path]) -> int:
    try:
        return sum(pq.read_metadata(file).num_rows for file in files if file.suffix == ".parquet")
    except (OSError, pa.ArrowException):  # what is wrong with it is said when it is read
        return 0
