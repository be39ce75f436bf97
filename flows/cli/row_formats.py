"""The rows of a query for other programs: CSV, JSON, Parquet."""

import csv
import io
import json
import math
from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


class RowFormat(StrEnum):
    """How a query's rows are given."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


def rows_as(form: RowFormat, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """All rows in a form for programs. CSV has lists as JSON and nothing for null; JSON is an array of objects."""
    if form == RowFormat.parquet:
        table = pa.table({name: pa.array([row[place] for row in rows]) for place, name in enumerate(columns)})
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        content: bytes = sink.getvalue().to_pybytes()
        return content
    if form == RowFormat.json:
        objects = [dict(zip(columns, map(_json_value, row), strict=True)) for row in rows]
        return (json.dumps(objects, ensure_ascii=False, indent=1) + "\n").encode()
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_value(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _json_value(value: Any) -> Any:
    """JSON has no dates, and no number that is none."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_json_value(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _json_value(one) for key, one in value.items()}
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _csv_value(value: Any) -> Any:
    if isinstance(value, list | tuple | dict):
        return json.dumps(_json_value(value), ensure_ascii=False)
    return _json_value(value)
