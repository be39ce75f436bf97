"""Images of a dataset: decoded once to see that they are whole, then found by the sha256 of their bytes.

``images.parquet`` has one row for every path that the records name. ``bytes`` holds the image itself when the step made
it; otherwise ``file`` is its name below the dataset's folder of images, wherever that lies now. A row with a status
other than ``ok`` says why the image cannot be used.
"""

import base64
import hashlib
import io
import stat
import warnings
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import ExifTags, Image, UnidentifiedImageError

from pipeline.core.errors import DataError
from pipeline.core.named_files import NamedFiles, relative_name
from pipeline.core.pixel_budget import MOST_PIXELS, pixel_budget
from pipeline.core.tables import row_of, schema_of
from pipeline.data.picture_signatures import Signature, signatures_of

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
    file: str | None = None
    bytes: Content | None = None
    format: str | None = None
    width: Annotated[int, pa.int32()] | None = None
    height: Annotated[int, pa.int32()] | None = None
    status: str = "ok"
    reason: str | None = None
    signatures: tuple[Signature, ...] = ()
    """A table of their own, ``signatures.parquet``, once the dataset is whole."""

    def row(self) -> dict[str, Any]:
        """The row of ``PART_SCHEMA``."""
        return {**row_of(self), "signatures": [row_of(signature) for signature in self.signatures]}


PART_SCHEMA = schema_of(ImageRecord)
IMAGE_SCHEMA = PART_SCHEMA.remove(PART_SCHEMA.get_field_index("signatures"))


def inspect_file(image: str, *, folder: NamedFiles) -> ImageRecord:
    """Read and decode one image of a folder; what is wrong with it becomes its status."""
    inside = relative_name(image, folder.folder)
    if inside is None:
        return ImageRecord(image, status="outside_folder", reason="it is not below the folder of the images")
    try:
        inside = folder.find(inside)
        path = folder.folder / inside
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return ImageRecord(image, file=inside, status="missing", reason="it is not a file")
        if found.st_size > MAX_FILE_BYTES:
            reason = f"{found.st_size} bytes are more than {MAX_FILE_BYTES}"
            return ImageRecord(image, file=inside, status="unreadable", reason=reason)
        content = path.read_bytes()
    except OSError as error:
        return ImageRecord(image, file=inside, status="missing", reason=error.strerror)
    except ValueError as error:  # a NUL in the name
        return ImageRecord(image, status="missing", reason=f"{image!r}: {error}")
    return replace(inspect_bytes(image, content), file=inside, bytes=None)


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
    found = ImageRecord(image, sha256, perceptual_hash(pixels), None, content, file_format, width, height)
    return replace(found, signatures=tuple(signatures_of(sha256, pixels)))


def data_url(content: bytes) -> str:
    """A PNG or JPEG file as a URL that carries it."""
    kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def num_pixels(content: bytes) -> int:
    """The pixels that decoding an image file makes, from its header; none where it is refused."""
    Image.MAX_IMAGE_PIXELS = None  # as below
    try:
        with Image.open(io.BytesIO(content), formats=PHOTO_FORMATS) as image:
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
