"""Lance: ``take`` of fixed-size lists, and its blob column, which it recommends for large binary values.

Of the ways that were tried the fastest are used: rows of this size are taken and scanned one by one (16 in one ``take``
or scan batch are several times slower), lists are stored in version 2.0 of the format (2.1 and 2.2 are slower), blobs
are read singly through ``take_blobs`` without its buffer and in batches through ``read_blobs``.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import lance
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tests.benchmarks.cache_contender import BATCH_ROWS, SHARD_ROWS, Contender, Row, RowReader, RowShape

NAME = "rows.lance"
COLUMN = "features"


def _write(folder: Path, rows: npt.NDArray[np.uint16], *, is_blob: bool, version: str) -> None:
    if is_blob:
        field = pa.field(COLUMN, pa.large_binary(), metadata={"lance-encoding:blob": "true"})
    else:
        field = pa.field(COLUMN, pa.list_(pa.uint16(), rows[0].size))
    schema = pa.schema([field])
    batches = (
        pa.record_batch([_array(rows[start : start + BATCH_ROWS], is_blob=is_blob)], schema=schema)
        for start in range(0, len(rows), BATCH_ROWS)
    )
    reader = pa.RecordBatchReader.from_batches(schema, batches)
    lance.write_dataset(reader, folder / NAME, max_rows_per_file=SHARD_ROWS, data_storage_version=version)


def _array(rows: npt.NDArray[np.uint16], *, is_blob: bool) -> pa.Array:
    if is_blob:
        return pa.array([row.tobytes() for row in rows], pa.large_binary())
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows[0].size)


class TakeReader(RowReader):
    """What ``take`` and a scan return lies in memory that Lance allocated for this call."""

    def __init__(self, folder: Path, shape: RowShape) -> None:
        super().__init__(shape)
        self.rows = lance.dataset(folder / NAME)

    def _row(self, array: pa.Array) -> Row:
        row: Row = array.flatten().to_numpy(zero_copy_only=True).reshape(self.shape)
        return row

    def read(self, position: int, ready: Row) -> Row:
        return self._row(self.rows.take([position], columns=[COLUMN]).column(0).chunk(0))

    def scan(self, start: int, stop: int, ready: Row) -> Iterator[Row]:
        for batch in self.rows.to_batches(columns=[COLUMN], offset=start, limit=stop - start, batch_size=1):
            yield self._row(batch.column(0))


class BlobReader(RowReader):
    def __init__(self, folder: Path, shape: RowShape) -> None:
        super().__init__(shape)
        self.rows = lance.dataset(folder / NAME)

    def read(self, position: int, ready: Row) -> Row:
        return next(self._taken([position]))

    def scan(self, start: int, stop: int, ready: Row) -> Iterator[Row]:
        for first in range(start, stop, BATCH_ROWS):
            yield from self._taken(range(first, min(first + BATCH_ROWS, stop)))

    def _taken(self, positions: Sequence[int]) -> Iterator[Row]:
        for blob in self.rows.take_blobs(COLUMN, indices=list(positions), buffer_size=0):
            with blob:
                yield np.frombuffer(blob.readall(), np.uint16).reshape(self.shape)

    def read_batch(self, positions: Sequence[int], ready: npt.NDArray[np.uint16]) -> None:
        blobs = self.rows.read_blobs(COLUMN, indices=list(positions), preserve_order=True)
        for place, (_, payload) in zip(ready, blobs, strict=True):
            np.copyto(place, np.frombuffer(payload, np.uint16).reshape(self.shape))


CONTENDERS = (
    Contender("lance", ("pylance",), partial(_write, is_blob=False, version="2.0"), {"Lance take": TakeReader}),
    Contender("lance-blob", ("pylance",), partial(_write, is_blob=True, version="2.1"), {"Lance blobs": BlobReader}),
)
