"""Images of a dataset: decoded once to see that they are whole, then found by the sha256 of their bytes.

``images.parquet`` has one row for every path that the records name. ``bytes`` holds the image itself when the step made
it; otherwise ``file`` says where it lies. A row with a status other than ``ok`` says why the image cannot be used.
"""

import hashlib
import io
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, UnidentifiedImageError

from pipeline.errors import DataError
from pipeline.manifest import Manifest

MAX_PIXELS = 500_000_000
"""A larger image is taken for a decompression bomb."""
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit is lower

IMAGE_SCHEMA = pa.schema(
    [
        pa.field("image", pa.string(), nullable=False),
        pa.field("image_sha256", pa.string()),
        pa.field("file", pa.string()),
        pa.field("bytes", pa.binary()),
        pa.field("format", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One row of ``images.parquet``; ``status`` is ``ok``, ``missing``, ``outside_folder`` or ``unreadable``."""

    image: str
    image_sha256: str | None = None
    file: str | None = None
    content: bytes | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    status: str = "ok"
    reason: str | None = None

    def row(self) -> dict[str, Any]:
        """The row of ``IMAGE_SCHEMA``."""
        return {name: self.content if name == "bytes" else getattr(self, name) for name in IMAGE_SCHEMA.names}


def inspect_file(image: str, *, folder: Path) -> ImageRecord:
    """Read and decode one image of a folder; what is wrong with it becomes its status."""
    try:
        path = (folder / PurePosixPath(image)).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a circle of links, a NUL in the name
        return ImageRecord(image, status="missing", reason=f"{image!r}: {error}")
    if not path.is_relative_to(folder.resolve()):
        return ImageRecord(image, status="outside_folder", reason=f"{path} is not below {folder}")
    try:
        content = path.read_bytes()
    except OSError as error:
        return ImageRecord(image, file=str(path), status="missing", reason=f"{path}: {error.strerror}")
    return replace(inspect_bytes(image, content), file=str(path), content=None)


def inspect_bytes(image: str, content: bytes) -> ImageRecord:
    """Decode one image that is kept inside the dataset."""
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        decode(content)
    except DataError as error:
        return ImageRecord(image, sha256, status="unreadable", reason=str(error))
    with Image.open(io.BytesIO(content)) as opened:
        file_format, (width, height) = opened.format, opened.size
    return ImageRecord(image, sha256, None, content, file_format, width, height)


def decode(content: bytes) -> Image.Image:
    """An image's pixels as RGB; transparent pixels show the palette's or the RGBA colours, as ``convert`` does.

    Raises:
        DataError: the bytes are not a whole image, or it is larger than ``MAX_PIXELS``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata
            with Image.open(io.BytesIO(content)) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise DataError(f"{image.width}x{image.height} pixels are more than {MAX_PIXELS}")
                if image.mode.startswith("I;16"):  # convert would turn every value above 255 into white
                    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
                return image.convert("RGB")
    except UnidentifiedImageError as error:
        raise DataError("not an image in a known format") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise DataError(f"not a whole image: {error}") from error


class ImageReader:
    """Finds the images of some datasets by their sha256."""

    def __init__(self, datasets: Iterable[Manifest]) -> None:
        self._bytes: dict[str, bytes] = {}
        self._files: dict[str, str] = {}
        for dataset in datasets:
            table = pq.read_table(dataset.path("images.parquet"), columns=["image_sha256", "file", "bytes", "status"])
            for row in table.to_pylist():
                if row["status"] != "ok":
                    continue
                if row["bytes"] is not None:
                    self._bytes[row["image_sha256"]] = row["bytes"]
                else:
                    self._files[row["image_sha256"]] = row["file"]

    def usable(self) -> tuple[str, ...]:
        """sha256 of every usable image, sorted, each once."""
        return tuple(sorted({*self._bytes, *self._files}))

    def read(self, image_sha256: str) -> bytes:
        """The bytes of one image.

        Raises:
            DataError: the file has gone or has changed since the dataset was prepared.
        """
        if image_sha256 in self._bytes:
            return self._bytes[image_sha256]
        file = self._files[image_sha256]
        try:
            content = Path(file).read_bytes()
        except OSError as error:
            raise DataError(f"{file}: {error.strerror}; it was there when the dataset was prepared") from error
        if hashlib.sha256(content).hexdigest() != image_sha256:
            raise DataError(f"{file} changed since the dataset was prepared; prepare the dataset again")
        return content
