"""Where each row of a fixed-length Parquet column lies in its file.

The payload of a non-nullable, PLAIN column without dictionary lies in the file page after page; uncompressed, row after
row. So a row can be read with one ``pread``. The places come from the page headers (Thrift compact protocol,
apache/parquet-format), and every assumption is checked: a file that was written otherwise is refused, never misread.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow.parquet as pq

from pipeline.core.errors import StoreError

MAX_HEADER_BYTES = 4096
DATA_PAGE = 0
PLAIN = 0


@dataclass(frozen=True, slots=True)
class RowPlace:
    """Where a row's payload lies; ``num_bytes`` is less than the row when it is compressed."""

    offset: int
    num_bytes: int


def row_places(path: Path, *, column: str, row_bytes: int) -> list[RowPlace]:
    """The place in the file of every row's payload, in row order.

    Raises:
        StoreError: the column is not stored row after row as the reader needs it.
    """
    metadata = pq.read_metadata(path)
    index = metadata.schema.names.index(column)
    places: list[RowPlace] = []
    with path.open("rb") as file:
        for group in range(metadata.num_row_groups):
            chunk = metadata.row_group(group).column(index)
            if chunk.has_dictionary_page or chunk.compression not in ("UNCOMPRESSED", "ZSTD"):
                raise StoreError(
                    f"{path}: column {column!r} has a dictionary or is compressed with {chunk.compression}; "
                    "rows cannot be addressed"
                )
            is_compressed = chunk.compression == "ZSTD"
            end = chunk.data_page_offset + chunk.total_compressed_size
            for page in _pages(file, path, chunk.data_page_offset, end):
                places += _rows_of(page, path, row_bytes=row_bytes, is_compressed=is_compressed)
    if len(places) != metadata.num_rows:
        raise StoreError(f"{path}: {len(places)} rows in the pages of {column!r}, {metadata.num_rows} in the footer")
    return places


@dataclass(frozen=True, slots=True)
class _Page:
    start: int
    num_rows: int
    num_bytes: int
    stored_bytes: int


def _pages(file: BinaryIO, path: Path, position: int, end: int) -> list[_Page]:
    pages = []
    while position < end:
        file.seek(position)
        header, length = _read_struct(file.read(MAX_HEADER_BYTES), 0)
        data_page = header.get(5, {})
        if header.get(1) != DATA_PAGE or data_page.get(2) != PLAIN or data_page.get(1) is None:
            raise StoreError(f"{path}: the page at byte {position} is not a PLAIN data page")
        page = _Page(position + length, num_rows=data_page[1], num_bytes=header[2], stored_bytes=header[3])
        pages.append(page)
        position = page.start + page.stored_bytes
    if position != end:
        raise StoreError(f"{path}: pages end at byte {position}, the column chunk at {end}")
    return pages


def _rows_of(page: _Page, path: Path, *, row_bytes: int, is_compressed: bool) -> list[RowPlace]:
    if page.num_rows * row_bytes != page.num_bytes:
        raise StoreError(
            f"{path}: the page at byte {page.start} has {page.num_bytes} bytes for {page.num_rows} rows of {row_bytes}"
        )
    if is_compressed:
        if page.num_rows != 1:
            raise StoreError(f"{path}: the compressed page at byte {page.start} has {page.num_rows} rows, not one")
        return [RowPlace(page.start, page.stored_bytes)]
    if page.stored_bytes != page.num_bytes:
        raise StoreError(f"{path}: the page at byte {page.start} stores {page.stored_bytes} of {page.num_bytes} bytes")
    return [RowPlace(page.start + number * row_bytes, row_bytes) for number in range(page.num_rows)]


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
