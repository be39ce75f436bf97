"""Hostile records, damaged images and archives: each is counted, refused with a reason, and nothing is let in."""

import io
import json
import random
import tarfile
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.config.datasets import LocalSource
from pipeline.core.errors import DataError
from pipeline.data.download.archive_members import Limits
from pipeline.data.download.archives import unpack
from pipeline.data.images import inspect_bytes
from pipeline.data.prepare import DatasetSummary, prepare_dataset
from pipeline.store.artifacts import ArtifactStore
from tests.campaign.cases import LostError, changed
from tests.support.small_data import picture

RECORDS_AT_ONCE = 1000
IMAGES_AT_ONCE = 200
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "ICO", "TGA", "PCX", "DDS", "AVIF", "JPEG2000", "EPS")
TEXTS = (
    "", " ", "犬", "何が写っていますか。", "<image>", "<image>\n<image>", "\0", "\ud83d", "\u2028", "\ufeff", "\x1b[2J",
    "'; drop table samples; --", "<script>alert(1)</script>", "{{ 7 * 7 }}", "%s%n", "../" * 9, "/etc/passwd",
    "a" * 20_000, "\u202e", "⚠️" * 99, "か\u3099", "NaN", "Infinity", "-0", "1e400", "<|im_end|>", "[INST]",
)  # fmt: skip
NUMBERS = (0, -1, 2**31, 2**63, 2**64, 10**400, -(10**30), 1e308, float("nan"), float("inf"), True)
NAMES = (
    "a.txt", "b/c.txt", "../escaped", "/escaped", "b/../../escaped", "C:\\escaped", "..\\escaped", "", ".", "..",
    "a\0b", "b", "b/c.txt/d", "が.txt", "か\u3099.txt", "A.TXT", "x" * 300, "d/" * 200 + "e", "\udc83.txt", "con",
    "a.txt ", "-rf",
)  # fmt: skip


def records(chance: random.Random, folder: Path) -> Mapping[str, int]:
    """A file of records of which some are odd anywhere: as many are counted as there are."""
    (folder / "images").mkdir()
    (folder / "images" / "a.png").write_bytes(picture(1))
    rows = [_record(number, chance) for number in range(RECORDS_AT_ONCE)]
    path = folder / f"records.{chance.choice(('json', 'jsonl'))}"
    path.write_bytes(_file_of(rows, path.suffix, chance))
    source = LocalSource(kind="local", annotations=path, images=folder / "images")
    try:
        made = DatasetSummary.of(prepare_dataset(source, store=ArtifactStore(folder / "store")))
    except DataError as error:
        if path.suffix == ".json" and str(path) in str(error):
            return {"file refused by name": 1}
        raise
    if (made.num_records, made.num_samples + made.num_rejected) != (RECORDS_AT_ONCE, RECORDS_AT_ONCE):
        raise LostError(f"{RECORDS_AT_ONCE} records became {made}")
    return {"sample": made.num_samples, "rejected": made.num_rejected}


def _record(number: int, chance: random.Random) -> Any:
    turns = [{"from": "human", "value": "<image>\n何。"}, {"from": "gpt", "value": "犬。"}]
    record: Any = {"id": str(number), "image": "a.png", "conversations": turns}
    for _ in range(chance.choice((0, 1, 1, 2, 5))):
        record = odd(record, chance)
    return record


def odd(value: Any, chance: random.Random) -> Any:
    """The value with something else somewhere in it."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(sorted(value, key=repr))
        new = dict(value)
        match chance.randrange(8):
            case 0:
                del new[key]
            case 1:
                new[chance.choice(TEXTS)] = new.pop(key)
            case _:
                new[key] = odd(new[key], chance)
        return new
    if isinstance(value, list) and value and chance.random() < 0.8:
        place = chance.randrange(len(value))
        return [*value[:place], *[odd(value[place], chance)] * chance.choice((0, 1, 1, 1, 2, 20)), *value[place + 1 :]]
    return chance.choice((None, [], {}, chance.choice(TEXTS), chance.choice(NUMBERS), _deep(chance), value))


def _deep(chance: random.Random) -> Any:
    value: Any = "x"
    for _ in range(chance.choice((3, 50, 300))):
        value = [value] if chance.random() < 0.5 else {"a": value}
    return value


def _file_of(rows: list[Any], suffix: str, chance: random.Random) -> bytes:
    texts = [json.dumps(row, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass") for row in rows]
    if suffix == ".json":
        whole = b"[" + b",".join(texts) + b"]"
        return changed(whole, chance) if chance.random() < 0.1 else whole
    for place in chance.sample(range(len(texts)), 10):  # lines that are no JSON any more are records too
        line = changed(texts[place], chance).replace(b"\n", b"?")
        texts[place] = line if line.strip() else b"?"
    if texts[0].lstrip().startswith(b"["):
        texts[0] = b"?"  # the first line decides whether the file is taken for an array
    return b"\n".join(texts) + b"\n"


def images(chance: random.Random, folder: Path) -> Mapping[str, int]:
    """Images with faults, in every format that Pillow writes: a status, never an exception."""
    ends: dict[str, int] = {}
    for _ in range(IMAGES_AT_ONCE):
        content = _image(chance)
        for _ in range(chance.choice((0, 1, 1, 3, 20))):
            content = changed(content, chance)
        found = inspect_bytes("a", content)
        if found.status not in ("ok", "unreadable") or (found.status == "ok") != (found.reason is None):
            raise LostError(f"an image became {found.status}, {found.reason}")
        ends[found.status] = ends.get(found.status, 0) + 1
    return ends


def _image(chance: random.Random) -> bytes:
    pixels = np.frombuffer(chance.randbytes(16 * 12 * 3), dtype=np.uint8).reshape(12, 16, 3)
    image = Image.fromarray(pixels)
    file = io.BytesIO()
    name = chance.choice([name for name in FORMATS if name in Image.SAVE])
    image.save(file, name)
    return file.getvalue()


def archives(chance: random.Random, folder: Path) -> Mapping[str, int]:
    """Archives with hostile members and faults: what comes out lies in the folder, or nothing does and it is said."""
    path = folder / f"archive.{chance.choice(('zip', 'tar', 'tar.gz'))}"
    (_zip if path.suffix == ".zip" else _tar)(path, chance)
    if chance.random() < 0.5:
        path.write_bytes(changed(path.read_bytes(), chance))
    inside, before = folder / "inside", set(folder.iterdir())
    inside.mkdir()
    try:
        unpack(path, inside, limits=Limits(max_bytes=10**7, max_members=1000))
        end = "unpacked"
    except DataError as error:
        if path.name not in str(error):
            raise LostError(f"the error does not name the archive: {error}") from error
        end = "refused by name"
    if set(folder.iterdir()) != {*before, inside}:
        raise LostError(f"{path} wrote beside its folder: {sorted(folder.iterdir())}")
    if wrong := [file for file in inside.rglob("*") if file.is_symlink() or not (file.is_file() or file.is_dir())]:
        raise LostError(f"{path} made {wrong[0]}, which is no plain file")
    return {end: 1}


def _zip(path: Path, chance: random.Random) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for _ in range(chance.randint(1, 6)):
            info = zipfile.ZipInfo("x")
            info.filename = _name(chance)
            info.external_attr = chance.choice((0o100644, 0o100644, 0o120777, 0o040755, 0o010644, 0o104755)) << 16
            content = bytes(10**8) if chance.random() < 0.01 else chance.randbytes(chance.randint(0, 200))
            with suppress(ValueError):  # what the writer itself refuses is left out
                archive.writestr(info, content)


def _tar(path: Path, chance: random.Random) -> None:
    kinds = (tarfile.REGTYPE, tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE)
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for _ in range(chance.randint(1, 6)):
            info = tarfile.TarInfo(_name(chance))
            info.type, info.linkname = chance.choice(kinds), chance.choice(NAMES)
            content = chance.randbytes(chance.randint(0, 200))
            info.size = len(content) if info.isreg() else 0
            with suppress(ValueError):
                archive.addfile(info, io.BytesIO(content))


def _name(chance: random.Random) -> str:
    """Mostly a plain one, so that some archives have nothing wrong."""
    return chance.choice(NAMES) if chance.random() < 0.3 else f"{chance.choice('abc')}/{chance.randrange(100)}.txt"
