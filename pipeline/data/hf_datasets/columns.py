"""Rows of any table as LLaVA's records, and the bytes of the images that they hold."""

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pipeline.config.datasets import DatasetColumns
from pipeline.core.errors import ConfigError
from pipeline.data.formats import DESCRIBE, Pair
from pipeline.data.hf_datasets.members import KEY
from pipeline.data.samples import IMAGE_TOKEN

JSON_MEMBERS = ("json", "jsn")
IMAGE_PART = ("image", "image_url")
"""Parts of a message's content that stand for the image."""


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


def root_of(column: str, existing: Iterable[str]) -> str | None:
    """The column that holds ``a.b.c``: the longest beginning of it that exists."""
    parts, existing = column.split("."), set(existing)
    names = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
    return next((name for name in names if name in existing), None)


def record_of(row: Mapping[str, Any], columns: DatasetColumns) -> Pair:
    """A record and the bytes of its image. Its image is still named as in the row, or None where the row has no name.

    What cannot be used stays in the record as it is, for ``normalise`` to say why; text that is not JSON where JSON is
    meant becomes the error, as a bad line of a file of records does.
    """
    try:
        values = {field: _value(row, column, as_text=field != "image") for field, column in columns.names().items()}
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        return json.JSONDecodeError(str(error), "", 0), None
    name, content = _image(values.get("image"), row, columns)
    record = {"id": values.get("id"), "category": values.get("category"), "image": name}
    has_image = name is not None or content is not None
    return {**record, "conversations": _conversations(values, has_image=has_image)}, content


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


def _image(value: Any, row: Mapping[str, Any], columns: DatasetColumns) -> tuple[Any, bytes | None]:
    """Name and bytes of a row's image; several are a list of names."""
    if isinstance(value, list):
        if len(value) > 1:
            return [_image(one, row, columns)[0] for one in value], None
        value = value[0] if value else None
    if isinstance(value, bytes):
        return (f"{row[KEY]}.{columns.image}" if KEY in row else None), value
    if isinstance(value, dict) and isinstance(value.get("bytes"), bytes):
        path = value.get("path")
        return (path.removeprefix("./") or None) if isinstance(path, str) else None, value["bytes"]
    if isinstance(value, dict) and value.keys() == {"bytes", "path"}:
        value = value["path"]
    return value.removeprefix("./") or None if isinstance(value, str) else value, None


def _conversations(values: Mapping[str, Any], *, has_image: bool) -> Any:
    if "conversations" in values:
        return _messages(values["conversations"])
    question, answer = (DESCRIBE, values["caption"]) if "caption" in values else (values["question"], values["answer"])
    if has_image and isinstance(question, str) and IMAGE_TOKEN not in question:
        question = f"{IMAGE_TOKEN}\n{question}"
    return [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]


def _messages(value: Any) -> Any:
    """Messages one after the other, whichever way a table holds them."""
    if isinstance(value, str) and _is_json(value):
        value = json.loads(value)
    if isinstance(value, dict) and _are_lists_of_one_length(value.values()):  # as Datasets stored it before version 4
        value = [dict(zip(value, items, strict=True)) for items in zip(*value.values(), strict=True)]
    return [one for message in value for one in _message(message)] if isinstance(value, list) else value


def _are_lists_of_one_length(values: Iterable[Any]) -> bool:
    lengths = {len(value) if isinstance(value, list) else None for value in values}
    return len(lengths) == 1 and None not in lengths


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _message(message: Any) -> list[Any]:
    if not isinstance(message, dict):
        return [message]
    if {"user", "assistant"} <= message.keys():  # a question and its answer, as The Cauldron has them
        return [{"from": "human", "value": message["user"]}, {"from": "gpt", "value": message["assistant"]}]
    if isinstance(parts := message.get("content"), list):
        return [{**message, "content": _joined(parts)}]
    return [message]


def _joined(parts: list[Any]) -> Any:
    """Text of a message that is a list of parts, as chat templates take it; the list itself if it is another."""
    texts = [
        IMAGE_TOKEN if part.get("type") in IMAGE_PART else part.get("text") for part in parts if isinstance(part, dict)
    ]
    is_whole = len(texts) == len(parts) and all(isinstance(text, str) for text in texts)
    return "\n".join(map(str, texts)) if is_whole else parts
