"""Hugging Face ``datasets``: one Arrow file, memory-mapped, in the Arrow format (its fastest)."""

from collections.abc import Iterator
from pathlib import Path

import datasets
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from datasets.arrow_writer import ArrowWriter

from tests.benchmarks.cache_contender import BATCH_ROWS, Contender, Row, RowReader, RowShape

NAME = "rows.arrow"
COLUMN = "features"


def write(folder: Path, rows: npt.NDArray[np.uint16]) -> None:
    num_values = rows[0].size
    features = datasets.Features({COLUMN: datasets.List(datasets.Value("uint16"), length=num_values)})
    with ArrowWriter(path=str(folder / NAME), features=features, writer_batch_size=BATCH_ROWS) as writer:
        for start in range(0, len(rows), BATCH_ROWS):
            values = pa.array(rows[start : start + BATCH_ROWS].reshape(-1))
            writer.write_table(pa.table({COLUMN: pa.FixedSizeListArray.from_arrays(values, num_values)}))
        writer.finalize()


class DatasetsReader(RowReader):
    def __init__(self, folder: Path, shape: RowShape) -> None:
        super().__init__(shape)
        self.rows: datasets.Dataset | None = datasets.Dataset.from_file(str(folder / NAME)).with_format("arrow")

    def read(self, position: int, ready: Row) -> Row:
        assert self.rows is not None
        return self._copied(self.rows[position], 0, ready)

    def scan(self, start: int, stop: int, ready: Row) -> Iterator[Row]:
        assert self.rows is not None
        for table in self.rows.select(range(start, stop)).iter(batch_size=BATCH_ROWS):
            for place in range(len(table)):
                yield self._copied(table, place, ready)

    def _copied(self, table: pa.Table, place: int, ready: Row) -> Row:
        row = table.column(COLUMN).slice(place, 1).chunk(0).flatten().to_numpy(zero_copy_only=True)
        np.copyto(ready, row.reshape(self.shape))
        return ready

    def close(self) -> None:
        self.rows = None


CONTENDERS = (Contender("datasets", ("datasets",), write, {"datasets, Arrow memory-mapped": DatasetsReader}),)
