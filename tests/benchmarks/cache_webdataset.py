"""WebDataset: tar shards, read by its own pipeline (which only goes forward) and at the members' recorded offsets."""

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import webdataset

from tests.benchmarks.cache_contender import SHARD_ROWS, Contender, Mode, Row, RowReader, RowShape

SUFFIX = "bf16"


def write(folder: Path, rows: npt.NDArray[np.uint16]) -> None:
    pattern = str(folder / "%05d.tar")
    with webdataset.ShardWriter(pattern, maxcount=SHARD_ROWS, maxsize=2 * rows.nbytes, verbose=0) as shards:
        for position, row in enumerate(rows):
            shards.write({"__key__": f"{position:09}", SUFFIX: row.tobytes()})


class WebDatasetReader(RowReader):
    modes = (Mode.SEQUENTIAL,)

    def __init__(self, folder: Path, shape: RowShape) -> None:
        super().__init__(shape)
        self.paths = sorted(map(str, folder.glob("*.tar")))

    def scan(self, start: int, stop: int, ready: Row) -> Iterator[Row]:
        samples = iter(webdataset.WebDataset(self.paths[start // SHARD_ROWS], shardshuffle=False))
        for _ in range(start, stop):
            yield np.frombuffer(next(samples)[SUFFIX], np.uint16).reshape(self.shape)


class TarReader(RowReader):
    """Not WebDataset's own: the tar files are only read for the members' offsets, when they are opened."""

    def __init__(self, folder: Path, shape: RowShape) -> None:
        super().__init__(shape)
        self.descriptors: list[int] = []
        self.places: list[tuple[int, int]] = []
        for path in sorted(folder.glob("*.tar")):
            with tarfile.open(path) as tar:
                self.places += [(len(self.descriptors), member.offset_data) for member in tar]
            self.descriptors.append(os.open(path, os.O_RDONLY))

    def read(self, position: int, ready: Row) -> Row:
        shard, offset = self.places[position]
        if os.preadv(self.descriptors[shard], [ready.data], offset) != ready.nbytes:
            raise RuntimeError(f"row {position} is not whole")
        return ready

    def close(self) -> None:
        while self.descriptors:
            os.close(self.descriptors.pop())


CONTENDERS = (
    Contender(
        "webdataset", ("webdataset",), write, {"WebDataset": WebDatasetReader, "tar, pread at known offsets": TarReader}
    ),
)
