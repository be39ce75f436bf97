"""MosaicML streaming: MDS shards of static-shape arrays, read by index from a local ``StreamingDataset``."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt

from tests.benchmarks.cache_contender import SHARD_ROWS, Contender, Row, RowReader, RowShape

# `import streaming` imports its vision datasets too, and they import torchvision. Storage needs neither.
sys.modules.setdefault("streaming.vision", ModuleType("streaming.vision"))

from streaming import MDSWriter, StreamingDataset  # noqa: E402

NAME = "mds"
COLUMN = "features"


def write(folder: Path, rows: npt.NDArray[np.uint16]) -> None:
    encoding = f"ndarray:uint16:{','.join(map(str, rows.shape[1:]))}"
    shard_bytes = SHARD_ROWS * (rows[0].nbytes + 4) + 4096  # an offset a row and a header
    with MDSWriter(out=str(folder / NAME), columns={COLUMN: encoding}, size_limit=shard_bytes) as writer:
        for row in rows:
            writer.write({COLUMN: row})


class StreamingReader(RowReader):
    def __init__(self, folder: Path, shape: RowShape) -> None:
        super().__init__(shape)
        self.rows: StreamingDataset | None = StreamingDataset(local=str(folder / NAME), shuffle=False, batch_size=1)

    def read(self, position: int, ready: Row) -> Row:
        assert self.rows is not None
        row: Row = self.rows[position][COLUMN]
        return row

    def close(self) -> None:
        self.rows = None


CONTENDERS = (
    Contender("mosaicml", ("mosaicml-streaming",), write, {"MosaicML StreamingDataset by index": StreamingReader}),
)
