"""Where each row of a fixed-length Parquet column lies in its file.

The payload of an uncompressed, non-nullable, PLAIN column without dictionary lies in the file row after row, so a row
can be read with one ``pread``. The offsets come from the page headers (Thrift compact protocol, apache/parquet-format),
and every assumption is checked: a file that was written otherwise is refused, never misread.
"""

from pathlib import Path
from typing import Any, BinaryIO

import pyarrow.parquet as pq

from pipeline.errors import StoreError

MAX_HEADER_BYTES = 4096
DATA_PAGE = 0
PLAIN = 0


def row_offsets(path: Path, *, column: str, row_bytes: int) -> list[int]:
    """Offset in the file of every row's payload, in row order.

    Raises:
        StoreError: the column is not stored row after row as the reader needs it.
    """
    metadata = pq.read_metadata(path)
    index = metadata.schema.names.index(column)
    offsets: list[int] = []
    with path.open("rb") as file:
        for group in range(metadata.num_row_groups):
            chunk = metadata.row_group(group).column(index)
            if chunk.compression != "UNCOMPRESSED" or chunk.has_dictionary_page:
                raise StoreError(
                    f"{path}: column {column!r} is compressed or has a dictionary; rows cannot be addressed"
                )
            end = chunk.data_page_offset + chunk.total_compressed_size
            offsets += _page_rows(file, path, chunk.data_page_offset, end, row_bytes=row_bytes)
    if len(offsets) != metadata.num_rows:
        raise StoreError(f"{path}: {len(offsets)} rows in the pages of {column!r}, {metadata.num_rows} in the footer")
    return offsets


def _page_rows(file: BinaryIO, path: Path, position: int, end: int, *, row_bytes: int) -> list[int]:
    offsets: list[int] = []
    while position < end:
        file.seek(position)
        header, length = _read_struct(file.read(MAX_HEADER_BYTES), 0)
        data_page = header.get(5, {})
        num_values, size = data_page.get(1), header.get(3)
        if header.get(1) != DATA_PAGE or data_page.get(2) != PLAIN or num_values is None:
            raise StoreError(f"{path}: the page at byte {position} is not a PLAIN data page")
        if header.get(2) != size or num_values * row_bytes != size:
            raise StoreError(
                f"{path}: the page at byte {position} has {size} bytes for {num_values} rows of {row_bytes}"
            )
        start = position + length
        offsets += range(start, start + size, row_bytes)
        position = start + size
    if position != end:
        raise StoreError(f"{path}: pages end at byte {position}, the column chunk at {end}")
    return offsets


def _read_struct(data: bytes, position: int) -> tuple[dict[int, Any], int]:
    """One Thrift compact struct as {field id: value}, and the position behind it."""
    fields: dict[int, Any] = {}
    field_id = 0
    while data[position] != 0:
        delta, kind = data[position] >> 4, data[position] & 0x0F
        position += 1
        if delta:
            field_id += delta
        else:
            field_id, position = _read_integer(data, position)
        fields[field_id], position = _read_value(data, position, kind)
    return fields, position + 1


def _read_value(data: bytes, position: int, kind: int) -> tuple[Any, int]:
    match kind:
        case 1 | 2:  # a boolean is in the type
            return kind == 1, position
        case 3:
            return data[position], position + 1
        case 4 | 5 | 6:
            return _read_integer(data, position)
        case 8:
            length, position = _read_varint(data, position)
            return data[position : position + length], position + length
        case 12:
            return _read_struct(data, position)
    raise StoreError(f"a Parquet page header has a field of Thrift type {kind}, which none of its fields should have")


def _read_integer(data: bytes, position: int) -> tuple[int, int]:
    value, position = _read_varint(data, position)
    return (value >> 1) ^ -(value & 1), position


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
