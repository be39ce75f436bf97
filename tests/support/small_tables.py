"""The same small data in every format that Hugging Face Datasets reads."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config.datasets import HfDatasetSource

COLUMNS = {"id": "id", "image": "image", "conversations": "conversations", "category": "category"}


def rows_with_images(records: Sequence[Mapping[str, Any]], images: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """LLaVA's records with the images inside."""
    return [
        {
            "id": record.get("id"),
            "image": {"bytes": images[record["image"]], "path": record["image"]} if record.get("image") else None,
            "conversations": record.get("conversations"),
            "category": record.get("category"),
        }
        for record in records
    ]


def parquet_bytes(rows: Sequence[Mapping[str, Any]], **options: Any) -> bytes:
    """A Parquet file of some rows."""
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), file, **options)
    return file.getvalue()


def tar_bytes(members: Mapping[str, bytes]) -> bytes:
    """A tar archive, its members in the given order."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def source_at(path: Path | str, columns: Mapping[str, str] = COLUMNS, **fields: Any) -> HfDatasetSource:
    """A source of kind ``dataset``."""
    return HfDatasetSource.model_validate({"kind": "dataset", "path": str(path), "columns": columns, **fields})


def json_bytes(value: Any) -> bytes:
    """JSON as UTF-8."""
    return json.dumps(value, ensure_ascii=False).encode()
