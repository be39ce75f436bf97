import hashlib
import os
import random
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image, PngImagePlugin

from pipeline.core.errors import DataError
from pipeline.core.named_files import NamedFiles
from pipeline.core.pixel_budget import PixelBudget
from pipeline.data import images
from pipeline.data.image_reader import ImageReader
from pipeline.data.images import decode, inspect_bytes, inspect_file, num_pixels
from pipeline.data.prepare import prepare_dataset
from pipeline.store.artifacts import ArtifactStore
from tests.support.small_data import encoded, local_source, picture, talk


def photo() -> Image.Image:
    generator = np.random.default_rng(0)
    return Image.fromarray(generator.integers(0, 256, (24, 32, 3), dtype=np.uint8))


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of the given chunks, each with a right checksum."""
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def header(width: int, height: int) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)


def test_a_whole_image_is_described(tmp_path):
    content = encoded(photo(), "JPEG")
    (tmp_path / "a.jpg").write_bytes(content)
    record = inspect_file("a.jpg", folder=NamedFiles(tmp_path))
    assert (record.status, record.format, record.width, record.height) == ("ok", "JPEG", 32, 24)
    assert record.image_sha256 == hashlib.sha256(content).hexdigest()
    assert (record.file, record.bytes) == ("a.jpg", None)


def test_the_format_is_that_of_the_content_not_of_the_name(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded(photo().convert("P"), "GIF"))
    record = inspect_file("a.jpg", folder=NamedFiles(tmp_path))
    assert (record.status, record.format) == ("ok", "GIF")


def test_a_truncated_image_is_unreadable(tmp_path):
    content = encoded(photo(), "JPEG")
    (tmp_path / "a.jpg").write_bytes(content[:-100])
    record = inspect_file("a.jpg", folder=NamedFiles(tmp_path))
    assert record.status == "unreadable"
    assert record.reason.startswith("not a whole image: image file is truncated")


@pytest.mark.parametrize("content", [b"", b"<html>404</html>"])
def test_what_is_no_image_is_unreadable(content):
    record = inspect_bytes("a.jpg", content)
    assert record.status == "unreadable"
    assert record.reason == "not an image in a known format (JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF)"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_photos_come_in_these_formats(kind):
    record = inspect_bytes("a", encoded(photo(), kind))
    assert (record.status, record.format, record.width) == ("ok", kind, 32)


def test_a_photo_with_its_depth_is_a_jpeg_of_several_pictures():
    record = inspect_bytes("a.jpg", encoded(photo(), "MPO", save_all=True, append_images=[photo()]))
    assert (record.status, record.format, record.width) == ("ok", "MPO", 32)


@pytest.mark.parametrize("kind", ["EPS", "DDS", "PCX", "PPM", "TGA", "ICO", "JPEG2000", "SGI", "PDF"])
def test_no_other_decoder_sees_bytes_from_outside(kind, monkeypatch):
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_arguments, **_options: pytest.fail("a program started"))
    record = inspect_bytes("photo.jpg", encoded(photo(), kind))
    assert record.status == "unreadable"
    assert record.reason.startswith("not an image in a known format")


@pytest.mark.parametrize("kind", ["AVIF", "WEBP", "TIFF", "JPEG"])
def test_whatever_a_decoder_raises_for_damaged_bytes_makes_an_image_unreadable(kind):
    whole, chance, statuses = encoded(photo(), kind), random.Random(0), set()
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        statuses.add(inspect_bytes("a", bytes(damaged)).status)
    assert statuses == {"ok", "unreadable"}


@pytest.mark.parametrize("error", [RuntimeError("bad tile"), MemoryError(), TypeError("none"), KeyError("x")])
def test_an_error_that_no_decoder_should_raise_is_a_reason(monkeypatch, error):
    def load(_image):
        raise error

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    record = inspect_bytes("a.png", encoded(photo()))
    assert record.status == "unreadable"
    assert record.reason == f"not a whole image: {error or type(error).__name__}"


def test_a_missing_image_is_named(tmp_path):
    record = inspect_file("no.jpg", folder=NamedFiles(tmp_path))
    assert (record.status, record.image_sha256) == ("missing", None)
    assert record.reason == "No such file or directory"


@pytest.mark.parametrize("image", [".", "a\0.jpg", "a" * 300 + ".jpg"])
def test_a_name_that_is_no_file_is_missing(tmp_path, image):
    assert inspect_file(image, folder=NamedFiles(tmp_path)).status == "missing"


def test_a_link_that_the_user_laid_is_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.png").write_bytes(picture(1))
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "coco").symlink_to(tmp_path / "disk")
    (tmp_path / "images" / "nowhere.png").symlink_to("nothing")
    assert inspect_file("coco/a.png", folder=NamedFiles(tmp_path / "images")).status == "ok"
    assert inspect_file("nowhere.png", folder=NamedFiles(tmp_path / "images")).status == "missing"


@pytest.mark.parametrize("image", ["../a.png", "/etc/passwd", "deep/../../a.png"])
def test_an_image_outside_the_folder_is_not_read(tmp_path, image):
    folder = tmp_path / "images"
    folder.mkdir()
    (tmp_path / "a.png").write_bytes(picture(1))
    record = inspect_file(image, folder=NamedFiles(folder))
    assert (record.status, record.image_sha256) == ("outside_folder", None)
    assert record.reason == "it is not below the folder of the images"


def test_cmyk_becomes_rgb():
    image = decode(encoded(Image.new("CMYK", (2, 2), (0, 0, 0, 0)), "TIFF"))
    assert (image.mode, image.getpixel((0, 0))) == ("RGB", (255, 255, 255))


def test_a_palette_with_transparency_shows_its_colours():
    image = Image.new("P", (2, 1))
    image.putpalette([200, 10, 20, 0, 0, 255])
    image.putdata([0, 1])
    decoded = decode(encoded(image, "PNG", transparency=0))
    assert [decoded.getpixel((x, 0)) for x in (0, 1)] == [(200, 10, 20), (0, 0, 255)]


def test_transparent_pixels_show_their_colours():
    assert decode(encoded(Image.new("RGBA", (1, 1), (9, 8, 7, 0)))).getpixel((0, 0)) == (9, 8, 7)


def test_sixteen_bits_become_the_eight_highest():
    values = np.array([[0, 0x1234, 0x8000, 0xFFFF]], dtype=np.uint16)
    decoded = decode(encoded(Image.fromarray(values)))
    assert [decoded.getpixel((x, 0))[0] for x in range(4)] == [0, 0x12, 0x80, 0xFF]


def test_a_bomb_is_not_unpacked():
    record = inspect_bytes("bomb.png", png(header(30_000, 30_000), (b"IDAT", b""), (b"IEND", b"")))
    assert (record.status, record.reason) == ("unreadable", "30000x30000 pixels are more than 178956970")


def test_the_size_at_which_pillow_only_warns_does_not_count():
    record = inspect_bytes("large.png", png(header(10_000, 10_000), (b"IDAT", b""), (b"IEND", b"")))
    assert record.status == "unreadable"
    assert record.reason.startswith("not a whole image: ")
    assert "bomb" not in record.reason


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_upright_as_its_exif_says(orientation):
    corner = Image.new("RGB", (32, 16), (0, 0, 0))
    corner.paste((255, 255, 255), (0, 0, 8, 8))  # white at the top left when upright
    stored = {
        1: corner,
        2: corner.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: corner.transpose(Image.Transpose.ROTATE_180),
        4: corner.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: corner.transpose(Image.Transpose.TRANSPOSE),
        6: corner.transpose(Image.Transpose.ROTATE_90),
        7: corner.transpose(Image.Transpose.TRANSVERSE),
        8: corner.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    record = inspect_bytes("a.png", content := encoded(stored, "PNG", exif=exif))
    assert (record.status, record.width, record.height) == ("ok", 32, 16)
    assert [decode(content).getpixel(place) for place in ((2, 2), (30, 2), (2, 14))] == [(255,) * 3, (0,) * 3, (0,) * 3]


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0" + b"\xff" * 40])
def test_damaged_exif_leaves_the_pixels_as_they_are(exif):
    record = inspect_bytes("a.jpg", encoded(photo(), "JPEG", exif=exif))
    assert (record.status, record.width, record.height) == ("ok", 32, 24)


def test_one_pixel_is_an_image_without_a_perceptual_hash():
    record = inspect_bytes("a.png", encoded(Image.new("RGB", (1, 1), (9, 8, 7))))
    assert (record.status, record.width, record.height, record.perceptual_hash) == ("ok", 1, 1, None)
    assert record.signatures == ()


def test_the_perceptual_hash_says_which_low_frequencies_are_strong():
    levels = np.linspace(0, 255, 64).astype(np.uint8)
    left_to_right = Image.fromarray(np.tile(levels, (64, 1)))
    record = inspect_bytes("a.png", encoded(left_to_right))
    assert record.perceptual_hash is not None
    assert -(2**63) <= record.perceptual_hash < 2**63
    mirrored = inspect_bytes("b.png", encoded(left_to_right.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
    assert record.perceptual_hash != mirrored.perceptual_hash


def test_a_folder_or_a_pipe_under_the_name_is_no_image(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    for name in ("folder.jpg", "pipe.jpg"):
        record = inspect_file(name, folder=NamedFiles(tmp_path))
        assert (record.status, record.reason) == ("missing", "it is not a file")


def test_a_file_too_large_for_any_image_is_not_read(tmp_path):
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(2**30 + 1)
    record = inspect_file("a.jpg", folder=NamedFiles(tmp_path))
    assert (record.status, record.reason) == ("unreadable", "1073741825 bytes are more than 1073741824")


def test_large_values_of_32_bits_become_the_eight_highest_of_16():
    values = np.array([[0, 0x1234, 0xFFFF]], dtype=np.int32)
    decoded = decode(encoded(Image.fromarray(values), "TIFF"))
    assert [decoded.getpixel((x, 0))[0] for x in range(3)] == [0, 0x12, 0xFF]


def test_a_text_that_unpacks_to_megabytes_is_unreadable():
    text = b"Comment\0\0" + zlib.compress(b"a" * 3_000_000)
    record = inspect_bytes("text.png", png(header(1, 1), (b"zTXt", text), (b"IDAT", b""), (b"IEND", b"")))
    assert record.status == "unreadable"


FILES = {name: encoded(photo(), name) for name in ("PNG", "JPEG", "WEBP", "GIF")}


@given(
    st.sampled_from(sorted(FILES)),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, 4000),
)
@settings(max_examples=300, deadline=None)
def test_damaged_bytes_are_an_image_or_unreadable_with_a_reason(name, changes, length):
    content = bytearray(FILES[name])
    for place, value in changes:
        content[place % len(content)] = value
    record = inspect_bytes("a", bytes(content[:length] if length % 2 else content))
    assert record.status == "ok" or (record.status == "unreadable" and record.reason)


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))
    source = local_source(
        tmp_path,
        [talk("1", "a.png"), talk("2", "b.png"), talk("3", "bad.png")],
        {"a.png": picture(1), "b.png": picture(2), "bad.png": b"bad"},
    )
    return ImageReader([prepare_dataset(source, store=ArtifactStore(tmp_path / "store"))]), tmp_path / "images"


def test_usable_images_are_read_by_their_sha256(prepared):
    reader, _ = prepared
    sha256s = [hashlib.sha256(picture(shade)).hexdigest() for shade in (1, 2)]
    assert reader.usable() == tuple(sorted(sha256s))
    assert reader.read(sha256s[0]) == picture(1)


def test_an_image_that_changed_since_is_refused(prepared):
    reader, folder = prepared
    (folder / "a.png").write_bytes(picture(3))
    with pytest.raises(DataError, match=r"a\.png changed since the dataset was prepared; prepare the dataset again"):
        reader.read(hashlib.sha256(picture(1)).hexdigest())


def test_an_image_that_went_away_since_is_refused(prepared):
    reader, folder = prepared
    (folder / "a.png").unlink()
    message = r"a\.png: No such file or directory; it was there when the dataset was prepared"
    with pytest.raises(DataError, match=message):
        reader.read(hashlib.sha256(picture(1)).hexdigest())


def test_large_images_are_not_decoded_side_by_side(tmp_path, monkeypatch):
    """Eight files of a few kilobytes, as many threads: the pixels in memory stay those of one."""
    budget, most = PixelBudget(1_000_000), []
    monkeypatch.setattr(images, "pixel_budget", lambda: budget)
    inspected = images._inspected

    def noting(image, content):
        most.append(budget._taken.value)
        return inspected(image, content)

    monkeypatch.setattr(images, "_inspected", noting)
    content = encoded(Image.new("1", (1000, 1000)), "PNG")
    assert len(content) < 10_000
    with ThreadPoolExecutor(8) as pool:
        records = list(pool.map(lambda name: inspect_bytes(name, content), "abcdefgh"))
    assert {record.status for record in records} == {"ok"}
    assert most == [1_000_000] * 8


def test_the_pixels_of_a_file_are_those_that_it_announces():
    assert num_pixels(encoded(Image.new("RGB", (30, 20)), "PNG")) == 600
    assert num_pixels(b"no image") == 0
    assert num_pixels(png(header(30_000, 30_000), (b"IDAT", b""), (b"IEND", b""))) == 0
