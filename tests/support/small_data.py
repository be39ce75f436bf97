"""Small images and local datasets for tests."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.config.experiment import LocalSource


def encoded(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    """The bytes of an image file."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def picture(shade: int, *, side: int = 32) -> bytes:
    """A PNG of one colour and a white quarter."""
    image = Image.new("RGB", (side, side), (shade, 100, 255 - shade))
    image.paste((255, 255, 255), (0, 0, side // 2, side // 2))
    return encoded(image)


def talk(sample_id: str, image: str | None, *texts: str) -> dict[str, Any]:
    """A record of LLaVA; the texts are question, answer, question, ..."""
    turns = [
        {"from": ("human", "gpt")[index % 2], "value": text} for index, text in enumerate(texts or ("何。", "犬。"))
    ]
    record = {"id": sample_id, "conversations": turns}
    return record if image is None else {**record, "image": image}


def local_source(folder: Path, records: Sequence[Any], images: Mapping[str, bytes]) -> LocalSource:
    """A dataset on disk: ``records.json`` and ``images/``."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for name, content in images.items():
        (folder / "images" / name).write_bytes(content)
    (folder / "records.json").write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    return LocalSource(kind="local", annotations=folder / "records.json", images=folder / "images")


def sha256_of(content: bytes) -> str:
    """Hex sha256 of an image's bytes."""
    return hashlib.sha256(content).hexdigest()
