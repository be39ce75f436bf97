"""Training records: LLaVA-style JSON in, one schema out.

A record becomes a ``Sample`` or a ``Finding`` that says why not; nothing is dropped without a row. Roles may be named
``human``/``user``/``ユーザー`` and ``gpt``/``assistant``/``システム``; a turn's Japanese text may stand under ``jp``
beside the English ``value``; ``image`` may be a text or a list with one text.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from pipeline.errors import DataError

IMAGE_TOKEN = "<image>"
"""The placeholder of the image in a turn's text."""

Role = Literal["user", "assistant"]
ROLES: Mapping[str, Role] = {
    "human": "user",
    "user": "user",
    "ユーザー": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "システム": "assistant",
}

TURN_TYPE = pa.struct(
    [
        pa.field("role", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("original", pa.string()),
    ]
)
SAMPLE_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("record_index", pa.int64(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("image", pa.string()),
        pa.field("image_sha256", pa.string()),
        pa.field("category", pa.string()),
        pa.field("turns", pa.list_(pa.field("element", TURN_TYPE, nullable=False)), nullable=False),
    ]
)
FINDING_SCHEMA = pa.schema(
    [
        pa.field("check", pa.string(), nullable=False),
        pa.field("severity", pa.string(), nullable=False),
        pa.field("sample_id", pa.string()),
        pa.field("record_index", pa.int64()),
        pa.field("turn_index", pa.int64()),
        pa.field("evidence", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One message."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One training record. ``image`` is the path in the record, None for a text-only conversation."""

    sample_id: str
    record_index: int
    image: str | None
    category: str | None
    turns: tuple[Turn, ...]

    def row(self, image_sha256: str | None) -> dict[str, Any]:
        """The row of ``SAMPLE_SCHEMA``."""
        return {
            "sample_id": self.sample_id,
            "record_index": self.record_index,
            "image": self.image,
            "image_sha256": image_sha256,
            "category": self.category,
            "turns": [{"role": turn.role, "text": turn.text} for turn in self.turns],
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem; ``severity`` is ``reject`` or ``warn``."""

    check: str
    evidence: str
    sample_id: str | None
    record_index: int
    severity: Literal["reject", "warn"] = "reject"
    turn_index: int | None = None

    def row(self) -> dict[str, Any]:
        """The row of ``FINDING_SCHEMA``."""
        return {name: getattr(self, name) for name in FINDING_SCHEMA.names}


def read_records(path: Path) -> Iterator[tuple[int, Any]]:
    """Index and JSON value of every record of a ``.json`` array or a ``.jsonl`` file.

    A line that is not JSON is yielded as its ``json.JSONDecodeError``.

    Raises:
        DataError: a ``.json`` file that is not an array of records.
    """
    if path.suffix == ".jsonl":
        with path.open("rb") as lines:
            yield from enumerate(_parsed(line) for line in lines if line.strip())
        return
    try:
        records = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON: {error}; for one record per line, name the file .jsonl") from error
    if not isinstance(records, list):
        raise DataError(f"{path} must hold a JSON array of records; its top level is a {type(records).__name__}")
    yield from enumerate(records)


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        return error
    except (ValueError, RecursionError) as error:  # not UTF-8, a number of thousands of digits, too deep
        return json.JSONDecodeError(str(error), "", 0)


def normalise(record: Any, *, record_index: int) -> Sample | Finding:
    """One record in the common form, or the reason why it has none."""
    if isinstance(record, json.JSONDecodeError):
        return Finding("record_not_json", str(record), None, record_index)
    if not isinstance(record, dict):
        return Finding("record_not_an_object", f"a {type(record).__name__}", None, record_index)
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:  # JSON can spell half of a surrogate pair; Parquet cannot hold it
        around = error.object[max(0, error.start - 20) : error.end + 20]
        return Finding("text_not_unicode", ascii(around), None, record_index)
    sample_id = str(record["id"]) if record.get("id") not in (None, "") else f"record-{record_index:08d}"

    def reject(check: str, evidence: object) -> Finding:
        return Finding(check, str(evidence)[:500], sample_id, record_index)

    image = record.get("image")
    if isinstance(image, list):
        if len(image) > 1:
            return reject("several_images", image)
        image = image[0] if image else None
    if not (image is None or isinstance(image, str)):
        return reject("image_not_a_path", image)
    turns = _turns(record.get("conversations"))
    if isinstance(turns, str):
        check, _, evidence = turns.partition(": ")
        return reject(check, evidence)
    if image is None and any(IMAGE_TOKEN in turn.text for turn in turns):
        return reject("image_token_without_image", turns[0].text)
    category = record.get("category")
    return Sample(sample_id, record_index, image or None, None if category is None else str(category), turns)


def _turns(conversations: Any) -> tuple[Turn, ...] | str:
    """The turns, or "check: evidence" of what is wrong with them."""
    if not isinstance(conversations, list) or not conversations:
        return f"conversation_missing: {conversations!r}"
    turns = []
    for message in conversations:
        if not isinstance(message, dict):
            return f"turn_not_an_object: {message!r}"
        role = ROLES.get(str(message.get("from", message.get("role"))))
        if role is None:
            return f"role_unknown: {message.get('from', message.get('role'))!r}; known are {', '.join(ROLES)}"
        text = message.get("jp") or message.get("value", message.get("content"))
        if not isinstance(text, str):
            return f"text_missing: {message!r}"
        turns.append(Turn(role, text))
    if any(turn.role != ("user", "assistant")[index % 2] for index, turn in enumerate(turns)):
        return f"roles_do_not_alternate: {[turn.role for turn in turns]}"
    if len(turns) % 2:
        return f"answer_missing: {turns[-1].text}"
    return tuple(turns)


def exchanges_of(turns: Sequence[dict[str, str]]) -> list[tuple[str, str]]:
    """Turns as they are stored, as pairs of a user's message and its answer."""
    texts = [turn["text"] for turn in turns]
    return list(zip(texts[::2], texts[1::2], strict=True))
