"""The floor: rows one after the other in one file, read with one system call each."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.benchmarks.cache_contender import Contender, Mode, Row, RowReader, RowShape, shards

NAME = "rows.bin"


def write(folder: Path, rows: npt.NDArray[np.uint16]) -> None:
    with (folder / NAME).open("wb") as file:
        for _, shard in shards(rows):
            file.write(shard.data)


class PreadReader(RowReader):
    def __init__(self, folder: Path, shape: RowShape) -> None:
        super().__init__(shape)
        self.row_bytes = 2 * int(np.prod(shape))
        self.descriptor = os.open(folder / NAME, os.O_RDONLY)

    def read(self, position: int, ready: Row) -> Row:
        num_read = os.preadv(self.descriptor, [ready.data], position * self.row_bytes)
        if num_read != self.row_bytes:
            raise RuntimeError(f"row {position} has {num_read} bytes")
        return ready

    def close(self) -> None:
        os.close(self.descriptor)


class ThreadedPreadReader(PreadReader):
    """The rows of a batch are fetched by several threads."""

    modes = (Mode.BATCHES,)

    def __init__(self, folder: Path, shape: RowShape, *, num_threads: int) -> None:
        super().__init__(folder, shape)
        self.pool = ThreadPoolExecutor(num_threads)

    def read_batch(self, positions: Sequence[int], ready: npt.NDArray[np.uint16]) -> None:
        list(self.pool.map(self.read, positions, ready))

    def close(self) -> None:
        self.pool.shutdown()
        super().close()


CONTENDERS = (
    Contender(
        "pread",
        (),
        write,
        {
            "pread": PreadReader,
            **{f"pread, {n} threads": partial(ThreadedPreadReader, num_threads=n) for n in (2, 4, 8)},
        },
    ),
)
