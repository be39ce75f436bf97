"""Records in files of JSON, in any form that ``pipeline.data.record_forms`` knows, and COCO's files of captions."""

import codecs
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.benchmarks.benchmark import Pair
from pipeline.config.datasets import HfDatasetSource, LocalSource
from pipeline.core.errors import DataError
from pipeline.core.files import ending_of, files_meant
from pipeline.core.records import Advance, opened, read_records, records_with_progress
from pipeline.data.record_forms import DESCRIBE, IMAGE_TOKEN, llava_form

TABLES = ("parquet", "arrow", "tar")
JSON_FILES = ("json", "jsonl", "ndjson", "json.gz", "jsonl.gz", "ndjson.gz")


def record_files(source: LocalSource) -> tuple[Path, ...]:
    """The files of records of a source, in order.

    Raises:
        DataError: one does not exist, is a folder, or is of a kind that is not read.
    """
    found: list[Path] = []
    for pattern in source.patterns:
        files = files_meant(pattern)
        if not files:
            raise DataError(f"{pattern} does not exist; check the paths of the experiment")
        found += files
    known = ", ".join(f".{ending}" for ending in (*JSON_FILES, *TABLES))
    for file in found:
        if not file.is_file():
            raise DataError(
                f"{file} is not a file of records; give a file, several, or a pattern such as {file}/*.json"
            )
        if ending_of(file) not in (*JSON_FILES, *TABLES):
            raise DataError(f"{file} is not a file of records that is read: its ending is none of {known}")
    kinds = {ending_of(file) if ending_of(file) in TABLES else "json" for file in found}
    if len(kinds) > 1:
        raise DataError(f"annotations: files of several kinds ({', '.join(sorted(kinds))}); give files of one kind")
    return tuple(found)


def as_table(source: LocalSource) -> HfDatasetSource | None:
    """The same source as a table, when its files are tables; None for files of JSON."""
    if ending_of(record_files(source)[0]) not in TABLES:
        return None
    return HfDatasetSource(kind="dataset", path=source.patterns, images=source.images)


def json_records(files: Sequence[Path], *, advance: Advance | None = None) -> Iterator[Pair]:
    """The records of some files, one after the other, in LLaVA's form; shows how far it is, or tells ``advance``."""
    for file in files:
        if ending_of(file).partition(".")[0] == "json" and _first_character(file) == b"{":
            yield from _coco_captions(file)
        elif advance is not None:
            yield from (llava_form(record) for _, record in read_records(file, advance=advance))
        else:
            yield from (llava_form(record) for _, record in records_with_progress(file, name=f"read {file.name}"))


def _first_character(file: Path) -> bytes:
    with opened(file) as stream:
        return stream.read(64).removeprefix(codecs.BOM_UTF8).lstrip()[:1]


def _coco_captions(file: Path) -> Iterator[Pair]:
    """One record for each caption of COCO's form: images with ids and names, captions that name them."""
    with opened(file) as stream:
        try:
            content = json.loads(stream.read().decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            hint = "; for one record per line, name the file .jsonl" if "Extra data" in str(error) else ""
            raise DataError(f"{file} is not JSON: {error}{hint}") from error
    images, captions = (content.get(key) for key in ("images", "annotations"))
    if not _are_objects(images) or not _are_objects(captions) or not any("caption" in one for one in captions):
        shown = ", ".join(f"{key} ({_what(value)})" for key, value in content.items())
        raise DataError(
            f"{file} must hold a JSON array of records, or images and annotations with captions as COCO has them; "
            f"its top level is an object with {shown or 'nothing'}"
        )
    names = {image.get("id"): image.get("file_name") for image in images}
    for caption in captions:
        yield (
            {
                "id": caption.get("id"),
                "image": names.get(caption.get("image_id"), f"no image has the id {caption.get('image_id')}"),
                "coco_id": caption.get("image_id"),
                "conversations": [
                    {"from": "human", "value": f"{IMAGE_TOKEN}\n{DESCRIBE}"},
                    {"from": "gpt", "value": caption.get("caption")},
                ],
            },
            (),
        )


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _what(value: Any) -> str:
    if isinstance(value, list):
        keys = ", ".join(map(str, value[0])) if value and isinstance(value[0], dict) else ""
        return f"a list of {len(value)}" + (f" with {keys}" if keys else "")
    return type(value).__name__
