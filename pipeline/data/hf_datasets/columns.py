"""Rows of any table as LLaVA's records, and the bytes of the images that they hold."""

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pipeline.benchmarks.benchmark import Pair
from pipeline.config.datasets import DatasetColumns
from pipeline.core.errors import ConfigError
from pipeline.data.hf_datasets.lines import LINE
from pipeline.data.hf_datasets.members import JSON_MEMBERS, KEY, TEXT_MEMBERS, row_of_members
from pipeline.data.record_forms import TEXT_KEYS, llava_form
from pipeline.data.record_images import image_names


def require_columns(columns: DatasetColumns, existing: Iterable[str], *, where: str) -> tuple[str, ...]:
    """The columns to read: for a field of a column that column.

    Raises:
        ConfigError: one does not exist; the message names those that do.
    """
    existing = list(existing)
    wanted = []
    for field, column in columns.names().items():
        root = root_of(column, existing)
        if root is None:
            likely = get_close_matches(column, existing, n=1, cutoff=0.5) or get_close_matches(field, existing, n=1)
            hint = f"; did you mean {likely[0]!r}?" if likely else ""
            raise ConfigError(
                f"columns.{field}: {where} has no column {column!r}; it has: {', '.join(existing) or 'none'}{hint}"
            )
        wanted.append(root)
    return tuple(dict.fromkeys(wanted))


def require_known(existing: Iterable[str], *, where: str) -> tuple[str, ...]:
    """All columns, where one of them is known to hold texts.

    Raises:
        ConfigError: none is; the message names those that there are and those that would be read.
    """
    existing = tuple(existing)
    endings = {column.rpartition(".")[2] for column in existing} if KEY in existing else set()
    if not endings & {*JSON_MEMBERS, *TEXT_MEMBERS} and set(existing).isdisjoint(TEXT_KEYS):
        read = f"members {', '.join((*JSON_MEMBERS, *TEXT_MEMBERS))}" if KEY in existing else f"{', '.join(TEXT_KEYS)}"
        raise ConfigError(
            f"columns: {where} has {', '.join(existing) or 'none'}; texts are read from {read}. "
            "Name the columns: columns: {image: …, conversations: …}, or question and answer, or caption"
        )
    return existing


def root_of(column: str, existing: Iterable[str]) -> str | None:
    """The column that holds ``a.b.c``: the longest beginning of it that exists."""
    parts, existing = column.split("."), set(existing)
    names = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
    return next((name for name in names if name in existing), None)


def record_of(row: Mapping[str, Any], columns: DatasetColumns | None) -> Pair:
    """A record and the bytes of its images. These are still named as in the row, or None where the row has no name.

    What cannot be used stays in the record as it is, for ``normalise`` to say why; text that is not JSON where JSON is
    meant becomes the error, as a bad line of a file of records does.
    """
    try:
        if LINE in row:
            row = json.loads(row[LINE].decode("utf-8-sig"))
        if columns is None:
            return llava_form(row_of_members(row) if KEY in row else row)
        if not isinstance(row, Mapping):
            return row, ()
        values = {field: _value(row, column, as_text=field != "image") for field, column in columns.names().items()}
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, a number of thousands of digits, too deep
        return json.JSONDecodeError(str(error), "", 0), ()
    record, contents = llava_form(values)
    if contents and image_names(record) == [None] and KEY in row:
        record = {**record, "image": f"{row[KEY]}.{columns.image}"}
    return record, contents


def _value(row: Mapping[str, Any], column: str, *, as_text: bool) -> Any:
    root = root_of(column, row)
    if root is None:
        return None
    value = row[root]
    if as_text and isinstance(value, bytes):
        text = value.decode("utf-8-sig")
        value = json.loads(text) if root.rpartition(".")[2] in JSON_MEMBERS else text
    for field in column[len(root) + 1 :].split(".") if column != root else ():
        value = value.get(field) if isinstance(value, dict) else None
    return value
