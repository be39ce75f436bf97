"""WebDataset archives as rows of bytes.

Datasets' own reader decodes members by their ending, ``.pth`` and ``.npy`` among them. This one takes the members that
are asked for as they are, up to a size, and reads no other: nothing is unpickled and nothing is written to the disk.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import datasets
import pyarrow as pa
from datasets.builder import Key
from datasets.packaged_modules.webdataset.webdataset import base_plus_ext

from pipeline.data.images import MAX_FILE_BYTES
from pipeline.data.record_forms import TEXT_KEYS
from pipeline.data.record_images import IMAGE_KEYS

KEY = "__key__"
"""What the members of one row have in common: path and name up to the first dot."""
MAX_MEMBERS_LOOKED_AT = 200
JSON_MEMBERS = ("json", "jsn")
TEXT_MEMBERS = ("txt", "text", "caption")
IMAGE_MEMBERS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif")
KNOWN_MEMBERS = (*JSON_MEMBERS, *TEXT_MEMBERS, *IMAGE_MEMBERS)
"""Endings of what is read where no columns are named."""


@dataclass
class MembersConfig(datasets.BuilderConfig):  # type: ignore[misc]  # Datasets has no types
    """``fields`` are endings such as ``jpg`` and ``json``."""

    fields: tuple[str, ...] = ()


class Members(datasets.ArrowBasedBuilder):  # type: ignore[misc]  # Datasets has no types
    """One row for all members of one name, in the order of the archives."""

    BUILDER_CONFIG_CLASS = MembersConfig

    def _info(self) -> datasets.DatasetInfo:
        columns = {name: datasets.Value("large_binary") for name in self.config.fields if name != KEY}
        return datasets.DatasetInfo(features=datasets.Features({KEY: datasets.Value("string"), **columns}))

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        files = dl_manager.download(self.config.data_files)
        return [
            datasets.SplitGenerator(
                name=split, gen_kwargs={"archives": [dl_manager.iter_archive(one) for one in paths]}
            )
            for split, paths in files.items()
        ]

    def _generate_tables(self, archives: list[Iterable[tuple[str, Any]]]) -> Iterator[tuple[Key, pa.Table]]:
        schema = self.info.features.arrow_schema
        for number, archive in enumerate(archives):
            for index, row in enumerate(_rows(archive, self.config.fields)):
                yield Key(number, index), pa.Table.from_pylist([row], schema=schema)


def fields_of(archive: Iterable[tuple[str, Any]]) -> list[str]:
    """Endings of the first members."""
    names = (base_plus_ext(name) for name, _ in _first(archive, MAX_MEMBERS_LOOKED_AT))
    return [KEY, *dict.fromkeys(field.lower() for key, field in names if key is not None)]


def _first(archive: Iterable[tuple[str, Any]], count: int) -> Iterator[tuple[str, Any]]:
    for index, member in enumerate(archive):
        if index == count:
            return
        yield member


def _rows(archive: Iterable[tuple[str, Any]], fields: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    row: dict[str, Any] = {}
    for name, file in archive:
        key, field = base_plus_ext(name)
        if key is None:
            continue
        if row and row[KEY] != key:
            yield row
            row = {}
        row = row or {KEY: key, **{wanted: None for wanted in fields if wanted != KEY}}
        if field.lower() in fields:
            row[field.lower()] = file.read(MAX_FILE_BYTES + 1)  # one more than is taken for an image
    if row:
        yield row


def row_of_members(row: Mapping[str, Any]) -> dict[str, Any]:
    """The members of one name as one record: fields of JSON, a caption as text, the images.

    Raises:
        ValueError: a member is not JSON, or not UTF-8.
    """
    present = {field: content for field, content in row.items() if content is not None and field != KEY}
    record: dict[str, Any] = {"id": row[KEY]}
    for field, content in present.items():
        ending = field.rpartition(".")[2]
        if ending in JSON_MEMBERS:
            value = json.loads(content.decode("utf-8-sig"))
            record |= value if isinstance(value, dict) else {"messages": value}
    texts = [
        content.decode("utf-8-sig") for field, content in present.items() if field.rpartition(".")[2] in TEXT_MEMBERS
    ]
    images = [
        {"path": f"{row[KEY]}.{field}", "bytes": content}
        for field, content in present.items()
        if field.rpartition(".")[2] in IMAGE_MEMBERS
    ]
    if texts and record.keys().isdisjoint(TEXT_KEYS):
        record["caption"] = texts[0]
    if images:  # the JSON of img2dataset and others names the file that it was
        record = {name: value for name, value in record.items() if name not in IMAGE_KEYS} | {"image": images}
    return record
