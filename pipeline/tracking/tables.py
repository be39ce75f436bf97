"""Tables for MLflow: the JSON form that its UI shows, with pictures in their cells."""

import hashlib
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.core.errors import DataError

PICTURE = "image"
"""Key of a cell that stands for a picture: ``{"image": "/path/of/a/file.png"}``."""
THUMBNAIL_SIDE = 256
"""Longest side of the small copy that the UI loads first, in pixels; MLflow's own choice."""

KeepFile = Callable[[str, str, bytes], None]
"""Gets folder, name and content of a file beside the table."""


def table_of_rows(rows: Sequence[Mapping[str, Any]], *, keep: KeepFile | None = None) -> dict[str, Any]:
    """Rows of the same columns in the form of MLflow's tables; ``keep`` gets the pictures, if there are some."""
    columns = list(rows[0])

    def cell(value: object) -> object:
        if not isinstance(value, Image.Image) or keep is None:
            return _plain(value)
        buffer = io.BytesIO()
        value.save(buffer, "PNG")
        return _kept_picture(buffer.getvalue(), "picture.png", keep)

    return {"columns": columns, "data": [[cell(row[column]) for column in columns] for row in rows]}


def read_table(path: Path, *, keep: KeepFile) -> dict[str, Any]:
    """The table in a JSON file; ``keep`` gets its pictures.

    Raises:
        DataError: the file is not a table.
    """
    table = json.loads(path.read_text(encoding="utf-8"))
    is_table = isinstance(table, dict) and set(table) == {"columns", "data"}
    if not is_table or any(len(row) != len(table["columns"]) for row in table["data"]):
        raise DataError(f'{path} is not a table for MLflow: {{"columns": [names], "data": [[a value for each], ...]}}')
    data = [[_picture(cell, keep) if _is_picture(cell) else _plain(cell) for cell in row] for row in table["data"]]
    return {"columns": table["columns"], "data": data}


def _is_picture(cell: object) -> bool:
    return isinstance(cell, dict) and set(cell) == {PICTURE}


def _picture(cell: Mapping[str, str], keep: KeepFile) -> dict[str, str]:
    path = Path(cell[PICTURE])
    return _kept_picture(path.read_bytes(), path.name, keep)


def _kept_picture(content: bytes, name: str, keep: KeepFile) -> dict[str, str]:
    """A picture as MLflow's tables hold it: the path of the file and of a small copy."""
    folder = f"table_images/{hashlib.sha256(content).hexdigest()[:16]}"
    small = io.BytesIO()
    with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
        thumbnail = image.convert("RGB")
    thumbnail.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    thumbnail.save(small, "WEBP")
    keep(folder, name, content)
    keep(folder, "small.webp", small.getvalue())
    return {"type": "image", "filepath": f"{folder}/{name}", "compressed_filepath": f"{folder}/small.webp"}


def _plain(value: object) -> object:
    """A value that JSON has."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
