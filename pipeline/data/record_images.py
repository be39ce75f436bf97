"""The images that a record names or holds, in whichever way it does."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

IMAGE_KEYS = ("image", "images", "image_path", "image_paths", "image_file", "img", "file_name")
IMAGE_PARTS = ("image", "image_url", "input_image")
"""Parts of a message's content that stand for an image."""

IMAGE_NAME = re.compile(r"\.(?:jpe?g|png|webp|gif|bmp|tiff?|avif|heic|jxl)$", re.IGNORECASE)
DATA_URL = re.compile(r"data:[\w.+/-]*;base64,")
BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")
LONGEST_NAME = 4096
"""Characters; what is longer is no path."""
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")


class Picture(NamedTuple):
    """An image: the name of its file, its bytes, or both; or a value that is neither."""

    name: Any
    content: bytes | None = None


def pictures(values: Iterable[Any]) -> Iterator[Picture]:
    """Every image of some values."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from pictures(value)
        elif value is not None and value != "":
            yield _picture(value)


def image_names(record: Mapping[str, Any]) -> list[Any]:
    """What a record in LLaVA's form calls its images, in order; None for one that it holds without a name."""
    return list(record["images"]) if "images" in record else [record.get("image")]


def with_image_names(record: Mapping[str, Any], names: Sequence[Any]) -> dict[str, Any]:
    """The record with other names of its images."""
    return {**record, "images": list(names)} if "images" in record else {**record, "image": names[0]}


def all_named(record: Mapping[str, Any], contents: Sequence[bytes | None]) -> dict[str, Any]:
    """The record with the sha256 of its bytes as the name of every image that it holds without one."""
    names = [
        name or (None if content is None else hashlib.sha256(content).hexdigest())
        for name, content in zip(image_names(record), contents, strict=True)
    ]
    return with_image_names(record, names)


def _picture(value: Any) -> Picture:
    if isinstance(value, bytes):
        return Picture(None, value)
    if isinstance(value, dict):
        return _picture_of_fields(value)
    if not isinstance(value, str):
        return Picture(value)
    if found := DATA_URL.match(value):
        return Picture(None, _decoded(value[found.end() :]) or b"")
    if len(value) > LONGEST_NAME and BASE64.fullmatch(value):
        return Picture(None, _decoded(value) or b"")
    return Picture(value.removeprefix("file://").removeprefix("./") or None)


def _picture_of_fields(value: dict[str, Any]) -> Picture:
    """``bytes`` and ``path`` as Datasets has them; a URL as OpenAI, a source as Anthropic has them."""
    if isinstance(value.get("bytes"), bytes):
        path = value.get("path")
        return Picture((path.removeprefix("./") or None) if isinstance(path, str) else None, value["bytes"])
    if isinstance(value.get("data"), str):
        return Picture(None, _decoded(value["data"]) or b"")
    for key in ("url", "path", "image_url", "file_name"):
        if isinstance(value.get(key), str) and value[key]:
            return _picture(value[key])
    return Picture(value)


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=False)
    except (binascii.Error, ValueError):
        return None


def looks_like_image(value: Any) -> bool:
    """Whether a value of a key that is not known is an image or the name of one."""
    if isinstance(value, bytes):
        return value.startswith(SIGNATURES)
    if isinstance(value, str):
        return bool(
            DATA_URL.match(value) or (len(value) <= LONGEST_NAME and IMAGE_NAME.search(value.partition("?")[0]))
        )
    if isinstance(value, dict):
        return any(looks_like_image(value.get(key)) for key in ("bytes", "path", "url", "image"))
    return isinstance(value, list | tuple) and any(map(looks_like_image, value))
