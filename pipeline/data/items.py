"""The items of a benchmark as they were published: ``items.parquet`` in its dataset.

Training data has no context, image categories or reference answers; a published benchmark has. They are kept beside the
samples, under the same ids, so that nothing has to be matched by position.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.files import write_text
from pipeline.core.parquet import write_rows
from pipeline.core.wording import whole_characters
from pipeline.data.placeholders import question_of
from pipeline.data.sample_images import images_of, names_of
from pipeline.data.samples import IMAGE_TOKEN, exchanges_of

ITEMS_VERSION = 1  # raise when the same files should give other items
ITEMS_FILE = "items.parquet"
DETAILS = ("image_category", "context", "scoring")
"""What a benchmark's record says beyond a training record."""
EXACT_QUESTION = "question"
"""Beside the conversation: what the model gets, to the last blank."""

ITEM_SCHEMA = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("image", pa.string()),
        pa.field("image_sha256", pa.string()),
        pa.field("question_index", pa.int64(), nullable=False),
        pa.field("category", pa.string()),
        pa.field("image_category", pa.string()),
        pa.field("context", pa.string()),
        pa.field("question", pa.string(), nullable=False),
        pa.field("reference", pa.string(), nullable=False),
        pa.field("scoring", pa.string()),
        pa.field("further_images_sha256", pa.list_(pa.string())),
        pa.field("image_places", pa.list_(pa.int64())),
    ]
)
"""``question_index`` counts the questions on the same images from 0, in the order of the benchmark's file. ``image`` is
the first one; ``image_places`` are the characters of the question before each of several, null where all stand before
it. ``scoring`` is a
JSON object: what scorers and judges need beyond question, reference and prediction, such as options."""


def keeping_details(records: Iterable[Any], file: Path) -> Iterator[Any]:
    """The records; what they say beyond a training record is written beside them, by id."""
    details = {}
    for record in records:
        if isinstance(record, dict):
            texts = {name: _text(record.get(name)) for name in (*DETAILS, EXACT_QUESTION)}
            if broken := [name for name, text in texts.items() if text and whole_characters(text) != text]:
                yield json.JSONDecodeError(f"{', '.join(broken)}: half a surrogate pair", "", 0)
                continue
            details[str(record.get("id"))] = texts
        yield record
    write_text(file, json.dumps(details))


def _text(value: Any) -> str | None:
    return (
        json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) else None if value is None else str(value)
    )


def write_items(directory: Path, *, details_file: Path) -> None:
    """Write ``items.parquet`` of a dataset whose ``samples.parquet`` is there."""
    details = json.loads(details_file.read_text(encoding="utf-8"))
    samples = pq.read_table(directory / "samples.parquet").to_pylist()
    write_rows(directory / ITEMS_FILE, item_rows(samples, details=details), schema=ITEM_SCHEMA)


def item_rows(
    samples: Iterable[Mapping[str, Any]], *, details: Mapping[str, Mapping[str, str | None]]
) -> Iterator[dict[str, Any]]:
    """Rows of ``ITEM_SCHEMA``: the first exchange of every sample."""
    num_asked: Counter[tuple[str, ...]] = Counter()
    for sample in samples:
        asked, reference = exchanges_of(sample["turns"])[0]
        names, hashes = names_of(sample), images_of(sample)
        if len(names) > 1:  # later questions show the others
            num_shown = asked.count(IMAGE_TOKEN)
            names, hashes = names[:num_shown], hashes[:num_shown]
        index = num_asked[names] if names else 0
        num_asked[names] += 1
        own = details.get(sample["sample_id"], {})
        question, places = question_of(asked, num_images=len(names))
        yield {
            "item_id": sample["sample_id"],
            "image": names[0] if names else None,
            "image_sha256": hashes[0] if hashes else None,
            "question_index": index,
            "category": sample["category"],
            **dict.fromkeys(DETAILS),
            **own,
            "question": own.get(EXACT_QUESTION) or question,
            "reference": reference,
            "further_images_sha256": hashes[1:] or None,
            "image_places": None if own.get(EXACT_QUESTION) else places,
        }
