"""Images of a dataset: decoded once to see that they are whole, then found by the sha256 of their bytes.

``images.parquet`` has one row for every path that the records name. ``bytes`` holds the image itself when the step made
it; otherwise ``file`` says where it lies. A row with a status other than ``ok`` says why the image cannot be used.
"""

import base64
import errno
import hashlib
import io
import os
import stat
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import ExifTags, Image, UnidentifiedImageError

from pipeline.core.errors import DataError, StoreError, TransientError
from pipeline.core.pixel_budget import MOST_PIXELS, pixel_budget
from pipeline.core.tables import row_of, schema_of
from pipeline.store.manifest import Manifest

IMAGES_FILE = "images.parquet"
MAX_PIXELS = MOST_PIXELS
"""A larger image is taken for a decompression bomb; half a gigabyte as RGB, and where Pillow too refuses."""
MAX_FILE_BYTES = 1 << 30
"""A larger file is not read."""

PHOTO_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""What bytes from outside may be. Pillow has forty decoders more; that of EPS starts Ghostscript."""

Content = bytes


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One row of ``images.parquet``; ``status`` is ``ok``, ``missing``, ``outside_folder`` or ``unreadable``."""

    image: str
    image_sha256: str | None = None
    perceptual_hash: int | None = None
    thumbnail: Annotated[list[int], pa.list_(pa.uint8())] | None = None
    file: str | None = None
    bytes: Content | None = None
    format: str | None = None
    width: Annotated[int, pa.int32()] | None = None
    height: Annotated[int, pa.int32()] | None = None
    status: str = "ok"
    reason: str | None = None

    def row(self) -> dict[str, Any]:
        """The row of ``IMAGE_SCHEMA``."""
        return row_of(self)


IMAGE_SCHEMA = schema_of(ImageRecord)


def inspect_file(image: str, *, folder: Path) -> ImageRecord:
    """Read and decode one image of a folder; what is wrong with it becomes its status."""
    path = Path(os.path.normpath(folder / PurePosixPath(image)))
    if not path.is_relative_to(folder):  # links inside the folder are the user's own and may lead anywhere
        return ImageRecord(image, status="outside_folder", reason=f"{path} is not below {folder}")
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return ImageRecord(image, file=str(path), status="missing", reason=f"{path} is not a file")
        if found.st_size > MAX_FILE_BYTES:
            reason = f"{found.st_size} bytes are more than {MAX_FILE_BYTES}"
            return ImageRecord(image, file=str(path), status="unreadable", reason=reason)
        content = path.read_bytes()
    except OSError as error:
        return ImageRecord(image, file=str(path), status="missing", reason=f"{path}: {error.strerror}")
    except ValueError as error:  # a NUL in the name
        return ImageRecord(image, status="missing", reason=f"{image!r}: {error}")
    return replace(inspect_bytes(image, content), file=str(path), bytes=None)


def inspect_bytes(image: str, content: bytes) -> ImageRecord:
    """Decode one image that is kept inside the dataset; threads wait for each other where images are large."""
    with pixel_budget().taking(num_pixels(content)):
        return _inspected(image, content)


def _inspected(image: str, content: bytes) -> ImageRecord:
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        pixels, file_format = _decoded(content)
    except DataError as error:
        return ImageRecord(image, sha256, status="unreadable", reason=str(error))
    width, height = pixels.size
    return ImageRecord(
        image, sha256, perceptual_hash(pixels), thumbnail(pixels), None, content, file_format, width, height
    )


def data_url(content: bytes) -> str:
    """A PNG or JPEG file as a URL that carries it."""
    kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def num_pixels(content: bytes) -> int:
    """The pixels that decoding an image file makes, from its header; none where it is refused."""
    Image.MAX_IMAGE_PIXELS = None  # as below
    try:
        with Image.open(io.BytesIO(content)) as image:
            announced: int = image.width * image.height
    except Exception:  # decoding says what is wrong with it
        return 0
    return announced if announced <= MAX_PIXELS else 0


def decode(content: bytes) -> Image.Image:
    """An image's pixels as RGB, turned upright as its EXIF orientation says.

    Transparent pixels show the palette's or the RGBA colours, as Pillow's ``convert`` does.

    Raises:
        DataError: the bytes are not a whole image, or it is larger than ``MAX_PIXELS``.
    """
    return _decoded(content)[0]


def _decoded(content: bytes) -> tuple[Image.Image, str | None]:
    """The pixels and the name of the file's format."""
    Image.MAX_IMAGE_PIXELS = (
        None  # ours is compared below; Pillow's, which the whole process shares, warns from half on
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata
            with Image.open(io.BytesIO(content), formats=PHOTO_FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise DataError(f"{image.width}x{image.height} pixels are more than {MAX_PIXELS}")
                image.load()
                return _as_rgb(_upright(image)), image.format
    except UnidentifiedImageError as error:
        raise DataError(f"not an image in a known format ({', '.join(PHOTO_FORMATS)})") from error
    except DataError:
        raise
    except Exception as error:  # decoders raise what they like for damaged bytes: RuntimeError, MemoryError, TypeError
        raise DataError(f"not a whole image: {error or type(error).__name__}") from error


def _upright(image: Image.Image) -> Image.Image:
    try:
        turned = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # the pixels are whole; a damaged EXIF block raises all kinds of errors and says nothing
        return image
    return image if turned is None else image.transpose(turned)


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation."""


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel; convert would turn every value above 255 into white
        values = np.asarray(image)
        if image.mode.startswith("I;16") or values.max(initial=0) > 255:
            return Image.fromarray((np.clip(values, 0, 0xFFFF) >> 8).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


THUMBNAIL_SIDE = 4


def thumbnail(image: Image.Image) -> list[int]:
    """Mean colours of 4x4 fields, row by row, red, green, blue: 48 levels from 0 to 255."""
    small = image.resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX)
    levels: list[int] = np.asarray(small).ravel().tolist()
    return levels


HASH_INPUT_SIDE = 32
HASH_SIDE = 8
FLAT_DEVIATION = 1.0
"""Grey levels; an image that varies less has no structure to compare."""


def perceptual_hash(image: Image.Image) -> int | None:
    """64 bits that hardly change when an image is resized or encoded again, as a signed integer.

    The grey image at 32x32, its two-dimensional cosine transform, and of the 8x8 lowest frequencies whether each lies
    above their median (pHash; Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010).
    None for an image of one colour: all of those would be alike.
    """
    small = image.convert("L").resize((HASH_INPUT_SIDE, HASH_INPUT_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    grey = np.asarray(small, dtype=np.float64)
    if grey.std() < FLAT_DEVIATION:
        return None
    low = (_COSINES @ grey @ _COSINES.T).ravel()
    bits = np.packbits(low > np.median(low[1:]))  # the first coefficient is the brightness
    return int.from_bytes(bits.tobytes(), "big", signed=True)


def _cosines() -> npt.NDArray[np.float64]:
    """The lowest rows of the cosine transform (DCT-II), 8 x 32."""
    frequency, place = np.arange(HASH_SIDE)[:, None], np.arange(HASH_INPUT_SIDE)[None, :]
    return np.cos(np.pi * frequency * (2 * place + 1) / (2 * HASH_INPUT_SIDE))


_COSINES = _cosines()


GONE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG)
"""What opening a file says when time will not bring it back."""


class ImageReader:
    """Finds the images of some datasets by their sha256."""

    def __init__(self, datasets: Iterable[Manifest]) -> None:
        self._groups: dict[str, tuple[Path, int]] = {}
        """Of images that lie in the dataset: its table and the group of rows there."""
        self._files: dict[str, str] = {}
        for dataset in datasets:
            path = dataset.directory / IMAGES_FILE
            table = _opened(path)
            for group in range(table.num_row_groups):
                for row in _rows(table, path, group, ["image_sha256", "file", "status"]):
                    if row["status"] == "ok" and row["file"] is None:
                        self._groups[row["image_sha256"]] = (path, group)
                    elif row["status"] == "ok":
                        self._files[row["image_sha256"]] = row["file"]

    def usable(self) -> tuple[str, ...]:
        """sha256 of every usable image, sorted, each once."""
        return tuple(sorted({*self._groups, *self._files}))

    def read(self, image_sha256: str) -> bytes:
        """The bytes of one image.

        Raises:
            DataError: the file has gone or has changed since the dataset was prepared.
            StoreError: the bytes that lie in the dataset were changed.
            TransientError: the disk or the network does not give it now.
        """
        if image_sha256 in self._groups:
            table, group = self._groups[image_sha256]
            content = _images_of_group(table, group).get(image_sha256, b"")
            if hashlib.sha256(content).hexdigest() != image_sha256:
                raise _damaged(table, f"the bytes of image {image_sha256} have another sha256")
            return content
        file = self._files[image_sha256]
        try:
            content = Path(file).read_bytes()
        except OSError as error:
            if error.errno not in GONE:
                raise TransientError(f"{file} cannot be read now: {error.strerror}") from error
            raise DataError(f"{file}: {error.strerror}; it was there when the dataset was prepared") from error
        if hashlib.sha256(content).hexdigest() != image_sha256:
            raise DataError(f"{file} changed since the dataset was prepared; prepare the dataset again")
        return content


@lru_cache(maxsize=4)
def _images_of_group(table: Path, group: int) -> dict[str, bytes]:
    """The usable images of a group of rows, by their sha256; the last groups are kept, as neighbours come together."""
    rows = _rows(_opened(table), table, group, ["image_sha256", "bytes"])
    return {row["image_sha256"]: row["bytes"] for row in rows if row["bytes"] is not None}


def _rows(table: pq.ParquetFile, path: Path, group: int, columns: list[str]) -> list[dict[str, Any]]:
    """Some columns of a group of rows; the checksums of the pages are compared, where the table has them."""
    try:
        rows: list[dict[str, Any]] = table.read_row_group(group, columns=columns).to_pylist()
    except (OSError, pa.ArrowException, ValueError) as error:
        raise _damaged(path, error) from error
    return rows


def _opened(table: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(table, metadata=_footer(table), page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(table, error) from error


@lru_cache(maxsize=8)
def _footer(table: Path) -> pq.FileMetaData:
    """Of a large table it takes longer to read than a group of rows."""
    return pq.read_metadata(table)


def _damaged(table: Path, problem: object) -> StoreError:
    return StoreError(
        f"{table} is not as it was published: {problem}. `llava-jp discard {table.parent.name}` forgets the dataset; "
        "the next run prepares it again, or `llava-jp pull` brings a copy"
    )
