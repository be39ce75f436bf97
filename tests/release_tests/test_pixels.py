"""A released folder sees the pixels that training saw, whatever the mode and the format of the file."""

import base64
import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from model.release.processing_llava_jp import PHOTO_FORMATS, LlavaJpImageProcessor
from model.vision.tower import pixels_of
from pipeline.data import images
from pipeline.data.images import decode

SIDE = 8
NOISE = np.random.default_rng(5).integers(0, 256, (11, 7, 4), dtype=np.uint8)
RGBA = Image.fromarray(NOISE)
RGB = RGBA.convert("RGB")
DEEP = Image.fromarray(NOISE[..., 0].astype(np.uint16) * 257 + NOISE[..., 1])


def file(image, kind, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return file(RGB, "PNG", exif=exif)


def with_exif_behind_the_pixels() -> bytes:
    whole = turned(6)
    start = whole.index(b"eXIf") - 4
    length = 12 + struct.unpack(">I", whole[start : start + 4])[0]
    chunk, rest = whole[start : start + length], whole[:start] + whole[start + length :]
    return rest[:-12] + chunk + rest[-12:]


def with_exif_that_cannot_be_written_again() -> bytes:
    """Orientation 6, and a tag of rationals that holds a text."""
    entries = struct.pack("<HHHIHH", 2, 0x0112, 3, 1, 6, 0) + struct.pack("<HHII", 0x8769, 4, 1, 0xFFFF)
    block = b"II*\0" + struct.pack("<I", 8) + entries + struct.pack("<I", 0)
    chunk = b"eXIf" + block
    whole = file(RGB, "PNG")
    return whole[:33] + struct.pack(">I", len(block)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + whole[33:]


def palette(*, transparency: bytes | int | None = None) -> bytes:
    options = {} if transparency is None else {"transparency": transparency}
    return file(RGB.quantize(16), "PNG", **options)


FILES = {
    "1 bit": lambda: file(RGB.convert("1"), "PNG"),
    "grey": lambda: file(RGB.convert("L"), "JPEG"),
    "grey with alpha": lambda: file(RGBA.convert("LA"), "PNG"),
    "16-bit grey PNG": lambda: file(DEEP, "PNG"),
    "16-bit grey TIFF": lambda: file(DEEP, "TIFF"),
    "16-bit grey TIFF, big endian": lambda: file(Image.frombytes("I;16B", (7, 11), DEEP.tobytes()), "TIFF"),
    "32-bit grey TIFF": lambda: file(DEEP.convert("I"), "TIFF"),
    "32-bit grey TIFF of 8 bits": lambda: file(RGB.convert("L").convert("I"), "TIFF"),
    "palette": palette,
    "palette, one transparent colour": lambda: palette(transparency=3),
    "palette with alpha": lambda: palette(transparency=bytes(range(0, 256, 16))),
    "GIF": lambda: file(RGB.quantize(16), "GIF", transparency=3),
    "RGB JPEG": lambda: file(RGB, "JPEG"),
    "RGB WebP": lambda: file(RGB, "WEBP", lossless=True),
    "RGBA": lambda: file(RGBA, "PNG"),
    "RGBA WebP": lambda: file(RGBA, "WEBP", lossless=True),
    "CMYK JPEG": lambda: file(RGB.convert("CMYK"), "JPEG"),
    "CMYK TIFF": lambda: file(RGB.convert("CMYK"), "TIFF"),
    **{f"EXIF {orientation}": (lambda way=orientation: turned(way)) for orientation in range(1, 9)},
    "EXIF behind the pixels": with_exif_behind_the_pixels,
    "EXIF that cannot be written again": with_exif_that_cannot_be_written_again,
}


@pytest.mark.parametrize("name", FILES)
def test_a_released_folder_sees_the_pixels_of_training(name, tmp_path):
    content = FILES[name]()
    trained = pixels_of(decode(content), image_size=SIDE)
    path = tmp_path / "image"
    path.write_bytes(content)
    plain = LlavaJpImageProcessor(image_size=SIDE, tile_size=SIDE, image_mean=(0.0,) * 3, image_std=(1.0,) * 3)
    data_url = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    for source in (Image.open(path), str(path), data_url):
        seen = plain(source, return_tensors="pt")["pixel_values"][0, 0]
        assert torch.equal(seen, trained.float() / 255)


def test_sixteen_bits_are_not_white():
    assert 40 < pixels_of(decode(FILES["16-bit grey PNG"]()), image_size=SIDE).float().mean() < 215


def test_a_released_folder_opens_the_formats_of_training():
    assert PHOTO_FORMATS == images.PHOTO_FORMATS
