"""Rows of a benchmark's files, streamed by Hugging Face Datasets: Parquet with images, CSV, TSV.

Images stay encoded, rows that are not wanted are left out before anything is made of them, and a few rows are in memory
at once. A row that cannot be used becomes a finding of its dataset, never a silent skip.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.benchmarks.benchmark import PROBLEM, Pair
from pipeline.core.errors import DataError
from pipeline.core.quiet_datasets import quieten

ROWS_PER_READ = 16
"""Of images as large as scanned pages, four in a row, or as base64 in a line of text."""

Row = dict[str, Any]
RecordOf = Callable[[int, Row], Iterable[tuple[Row, tuple[bytes, ...]]]]
"""Number of a row and the row to its records, each with its images."""

ROW_ERRORS = (LookupError, ValueError, TypeError, AttributeError, SyntaxError, RecursionError, MemoryError)
"""What a row of another shape raises where it is used; text that nests too deeply is too much for Python's parser."""


def parquet_rows(
    files: Sequence[Path], *, columns: Sequence[str], only: tuple[str, str] | None = None
) -> Iterator[Row]:
    """The rows of Parquet files, in order; with ``only`` those whose column has a value.

    Raises:
        DataError: a file cannot be read, or lacks a column.
    """
    for file in files:
        with _explained(file):
            _require(columns, pq.read_schema(file).names, file=file)
        filters = None if only is None else [(only[0], "==", only[1])]
        yield from _streamed("parquet", file, columns=list(columns), filters=filters, batch_size=ROWS_PER_READ)


def text_rows(files: Sequence[Path], *, columns: Sequence[str], separator: str) -> Iterator[Row]:
    """The rows of CSV or TSV files with a header, in order. Every value is the text that stands there, "NA" as well.

    A column whose header is empty is called ``Unnamed: 0`` or whatever its number is, as pandas does.

    Raises:
        DataError: a file cannot be read, or lacks a column.
    """
    import datasets  # takes a second to import

    for file in files:
        with _explained(file), file.open(encoding="utf-8-sig", newline="") as opened:
            header = next(csv.reader(opened, delimiter=separator), [])
        _require(columns, [name or f"Unnamed: {number}" for number, name in enumerate(header)], file=file)
        features = datasets.Features({name: datasets.Value("large_string") for name in columns})
        options: dict[str, Any] = {"keep_default_na": False, "na_filter": False, "chunksize": ROWS_PER_READ}
        yield from _streamed("csv", file, sep=separator, features=features, usecols=list(columns), **options)


def records_of(rows: Iterable[Row], record_of: RecordOf) -> Iterator[Pair]:
    """What a benchmark makes of its rows; a row that it cannot use is a record that says why.

    Scores are by row there, so an id that occurs again gets a number.
    """
    num_named: Counter[str] = Counter()
    for index, row in enumerate(rows):
        try:
            records = list(record_of(index, row))
        except ROW_ERRORS as error:
            yield unusable(str(index), "row_unusable", f"row {index}: {type(error).__name__}: {error}"), ()
            continue
        for record, contents in records:
            num_named[record["id"]] += 1
            number = num_named[record["id"]]
            yield (record if number == 1 else {**record, "id": f"{record['id']}#{number}"}), contents


def unusable(id: str, check: str, evidence: str) -> Row:
    """A record that becomes a rejecting finding."""
    return {"id": id, "conversations": [], PROBLEM: [check, evidence]}


def _streamed(kind: str, file: Path, **options: Any) -> Iterator[Row]:
    import datasets  # takes a second to import

    quieten()
    with TemporaryDirectory(prefix="llava-jp-rows-") as cache, _explained(file):
        rows = datasets.load_dataset(
            kind, data_files=[str(file)], split="train", streaming=True, cache_dir=cache, **options
        )
        for table in rows.with_format("arrow").iter(batch_size=ROWS_PER_READ):
            yield from table.to_pylist()


def _require(columns: Sequence[str], existing: Sequence[str], *, file: Path) -> None:
    if missing := [name for name in columns if name not in existing]:
        raise DataError(f"{file} has no column {', '.join(missing)}; it has: {', '.join(existing)}")


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """What Datasets and those below it raise for a file that cannot be read."""
    from datasets.exceptions import DatasetsError

    try:
        yield
    except (DatasetsError, pa.ArrowException, OSError, ValueError, RuntimeError, csv.Error) as error:
        cause = error.__cause__ or error
        raise DataError(
            f"{file} cannot be read: {str(cause).strip() or type(cause).__name__}; fetch it again"
        ) from error
