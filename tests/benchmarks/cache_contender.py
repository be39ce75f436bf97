"""What the benchmark of the feature cache asks of a storage: write rows, then read them singly, in order, in batches.

A row is ``[S, T, V]`` (S2 scales, vision tokens, tower width) as uint16, the bits of bfloat16. A row is *read* when all
its bytes are in memory that belongs to the caller: ``ready``, or an array that the library allocated for this call. A
view of mapped memory is not a read, so whoever maps a file copies.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

Row = npt.NDArray[np.uint16]
RowShape = tuple[int, int, int]

SHARD_ROWS = 128
"""Rows in a file of the storages that have shards; a scan reads from the first row of one."""
BATCH_ROWS = 16


class Mode(StrEnum):
    """How rows are read."""

    RANDOM = "random"
    SEQUENTIAL = "sequential"
    BATCHES = "batches"


class RowReader:
    """Reads what its contender wrote. Only ``read`` must be written; who can do more overrides the rest."""

    modes: tuple[Mode, ...] = tuple(Mode)

    def __init__(self, shape: RowShape) -> None:
        self.shape = shape

    def buffer(self, num_rows: int) -> npt.NDArray[np.uint16]:
        """Memory for this many rows as this reader delivers them, already touched."""
        return np.ones((num_rows, *self.shape), np.uint16)

    def read(self, position: int, ready: Row) -> Row:
        """One row, in ``ready`` or in memory of its own."""
        raise NotImplementedError

    def scan(self, start: int, stop: int, ready: Row) -> Iterator[Row]:
        """Rows in order; ``start`` is the first row of a shard and ``stop`` lies in the same shard or at its end."""
        for position in range(start, stop):
            yield self.read(position, ready)

    def read_batch(self, positions: Sequence[int], ready: npt.NDArray[np.uint16]) -> None:
        """Fill ``ready``, ``[rows, S, T, V]``."""
        for position, place in zip(positions, ready, strict=True):
            row = self.read(position, place)
            if row is not place:
                np.copyto(place, row)

    def is_right(self, row: Row, expected: Row) -> bool:
        """Whether this is what was written; a storage that rounds says here by how much."""
        return np.array_equal(row, expected)

    def close(self) -> None:
        """Let go of files and mappings: mapped pages cannot be evicted."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Contender:
    """One storage, and the ways to read it.

    Args:
        packages: distributions whose versions matter, beside numpy and pyarrow.
        write: writes all rows ``[N, S, T, V]`` into an empty folder.
        readers: by the name of their line in the table; each opens a folder of rows of a shape.
    """

    name: str
    packages: tuple[str, ...]
    write: Callable[[Path, npt.NDArray[np.uint16]], None]
    readers: Mapping[str, Callable[[Path, RowShape], RowReader]]


def shards(rows: npt.NDArray[np.uint16]) -> Iterator[tuple[int, npt.NDArray[np.uint16]]]:
    """The rows shard by shard, with the shard's number."""
    for number, start in enumerate(range(0, len(rows), SHARD_ROWS)):
        yield number, rows[start : start + SHARD_ROWS]
