"""Our cache: what ``pipeline.feature_cache`` writes and reads today.

To add a form, a number of threads or a checksum, add a contender (other files) or a reader (other way to read the same
files) to ``CONTENDERS``. A form that rounds overrides ``RowReader.is_right``, one whose rows are delivered smaller than
they were written (int8) also ``RowReader.buffer``.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from pipeline.feature_cache import FeatureReader, FeatureShape, write_shard
from tests.benchmarks.cache_contender import SHARD_ROWS, Contender, Row, RowReader, RowShape, shards


def _key(position: int) -> str:
    return f"{position:064x}"


def write(folder: Path, rows: npt.NDArray[np.uint16]) -> None:
    num_scales, num_tokens, width = rows.shape[1:]
    shape = FeatureShape(num_scales, num_tokens, width, "bfloat16")
    for number, shard in shards(rows):
        tensors = torch.from_numpy(shard).view(torch.bfloat16)
        images = ((_key(number * SHARD_ROWS + place), tensor) for place, tensor in enumerate(tensors))
        write_shard(folder / f"shard-{number:05}.parquet", images, shape=shape, failures=[])


class OurReader(RowReader):
    def __init__(self, folder: Path, shape: RowShape) -> None:
        super().__init__(shape)
        self.reader = FeatureReader(folder)

    def read(self, position: int, ready: Row) -> Row:
        row: Row = self.reader.read(_key(position)).view(torch.uint16).numpy()
        return row

    def close(self) -> None:
        self.reader.close()


CONTENDERS = (Contender("ours", (), write, {"our cache": OurReader}),)
