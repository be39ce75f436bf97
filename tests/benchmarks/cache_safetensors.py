"""Safetensors files of one tensor a row. ``safe_open`` maps the file, so a tensor counts as read when it is copied.

numpy copies it: torch would use several threads, which wait for each other when the cores are busy.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tests.benchmarks.cache_contender import SHARD_ROWS, Contender, Row, RowReader, RowShape, shards


def write(folder: Path, rows: npt.NDArray[np.uint16]) -> None:
    for number, shard in shards(rows):
        tensors = torch.from_numpy(shard).view(torch.bfloat16)
        save_file({str(place): tensor for place, tensor in enumerate(tensors)}, folder / f"{number:05}.safetensors")


class SafetensorsReader(RowReader):
    def __init__(self, folder: Path, shape: RowShape) -> None:
        super().__init__(shape)
        self.files: list[Any] = [safe_open(path, framework="pt") for path in sorted(folder.glob("*.safetensors"))]

    def read(self, position: int, ready: Row) -> Row:
        shard, place = divmod(position, SHARD_ROWS)
        np.copyto(ready, self.files[shard].get_tensor(str(place)).view(torch.uint16).numpy())
        return ready

    def close(self) -> None:
        self.files.clear()


CONTENDERS = (Contender("safetensors", ("safetensors", "torch"), write, {"safetensors get_tensor": SafetensorsReader}),)
