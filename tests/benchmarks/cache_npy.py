"""One .npy file, memory-mapped."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.benchmarks.cache_contender import Contender, Row, RowReader, RowShape, shards

NAME = "rows.npy"


def write(folder: Path, rows: npt.NDArray[np.uint16]) -> None:
    with (folder / NAME).open("wb") as file:
        described = {"descr": np.lib.format.dtype_to_descr(rows.dtype), "fortran_order": False, "shape": rows.shape}
        np.lib.format.write_array_header_1_0(file, described)
        for _, shard in shards(rows):
            file.write(shard.data)


class NpyReader(RowReader):
    def __init__(self, folder: Path, shape: RowShape) -> None:
        super().__init__(shape)
        self.rows: npt.NDArray[np.uint16] | None = np.load(folder / NAME, mmap_mode="r")

    def read(self, position: int, ready: Row) -> Row:
        assert self.rows is not None
        np.copyto(ready, self.rows[position])
        return ready

    def close(self) -> None:
        self.rows = None


CONTENDERS = (Contender("npy", ("numpy",), write, {".npy memmap": NpyReader}),)
