"""A page of sample answers: image, question, reference, and what every model said. One HTML file, nothing loaded.

Questions and answers are text from outside. The template escapes all of it, and the page's own policy forbids scripts.
"""

import hashlib
import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, zip_longest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from pipeline.core.errors import DataError
from pipeline.data.image_reader import ImageReader
from pipeline.data.images import data_url, decode

log = logging.getLogger(__name__)

NUM_ITEMS = 24
"""Items on one page."""
LARGEST_SIDE = 256
"""Side of an image on the page, in pixels; a larger one is scaled down."""
JPEG_QUALITY = 85
GAP = 4
"""Pixels between two images of one item."""

SHEET_SCHEMA = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("category", pa.string()),
        pa.field("question", pa.string(), nullable=False),
        pa.field("reference", pa.string(), nullable=False),
        pa.field("image", pa.binary()),
        pa.field("experiment", pa.string(), nullable=False),
        pa.field("answer", pa.string()),
        pa.field("error", pa.string()),
    ]
)
"""One row per item and experiment; ``image`` is a small PNG or JPEG."""


@dataclass(frozen=True, slots=True)
class SheetAnswer:
    """What one experiment said. ``is_right`` is None where no metric decides; ``scores`` are metric and percent."""

    experiment: str
    text: str | None
    error: str | None
    is_right: bool | None
    scores: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class SheetItem:
    """One benchmark item with the answers of the experiments that have it."""

    benchmark: str
    item_id: str
    category: str | None
    question: str
    reference: str
    images_sha256: tuple[str, ...]
    answers: tuple[SheetAnswer, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """The images of an item as one inside the page, or the reason why they are not there."""

    content: bytes | None
    reason: str = ""

    @property
    def data_url(self) -> str | None:
        return None if self.content is None else data_url(self.content)


def choose(items: Sequence[SheetItem], *, num_items: int = NUM_ITEMS) -> tuple[SheetItem, ...]:
    """Items from every benchmark and category in turn, chosen without regard to the answers.

    In a category the order is that of a hash of the item's name, so the choice looks random and is always the same.
    Returned by benchmark and category, in the order in which these first appear.
    """
    groups = _grouped(sorted(items, key=_shuffled))
    turns = [item for turn in zip_longest(*groups.values()) for item in turn if item is not None]
    chosen = set(turns[:num_items])
    return tuple(item for group in _grouped(items).values() for item in group if item in chosen)


def sample_sheet(items: Sequence[SheetItem], *, images: ImageReader, num_all_items: int) -> str:
    """The page. ``num_all_items`` is how many there were to choose from.

    An image that is gone leaves a note in its place and a warning in the log.
    """
    environment = Environment(
        loader=PackageLoader("pipeline.comparison", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    usable = set(images.usable())
    return environment.get_template("samples.html").render(
        sections=[
            (benchmark, category, [(item, _picture(item, images, usable)) for item in group])
            for (benchmark, category), group in _grouped(items).items()
        ],
        num_items=len(items),
        experiments=list(dict.fromkeys(answer.experiment for item in items for answer in item.answers)),
        num_all_items=num_all_items,
        largest_side=LARGEST_SIDE,
    )


def sheet_rows(items: Sequence[SheetItem], *, images: ImageReader) -> Iterator[dict[str, Any]]:
    """The same sheet as rows of ``SHEET_SCHEMA``."""
    usable = set(images.usable())
    for item in items:
        shared = {name: getattr(item, name) for name in ("benchmark", "item_id", "category", "question", "reference")}
        picture = _picture(item, images, usable)
        for answer in item.answers:
            own = {"experiment": answer.experiment, "answer": answer.text, "error": answer.error}
            yield {**shared, "image": picture.content, **own}


def sheet_table(file: Path) -> list[dict[str, Any]]:
    """``samples.parquet`` as a table to look at: one row per item, one column per experiment, images decoded."""
    table: dict[tuple[str, str], dict[str, Any]] = {}
    rows = pq.read_table(file).to_pylist()
    experiments = list(dict.fromkeys(row["experiment"] for row in rows))
    for row in rows:
        item = {name: row[name] for name in ("benchmark", "item_id", "category", "question", "reference")}
        image = None if row["image"] is None else decode(row["image"])
        cells = table.setdefault((row["benchmark"], row["item_id"]), {**item, "image": image})
        cells[row["experiment"]] = row["answer"] if row["error"] is None else f"(no answer: {row['error']})"
    return [{**dict.fromkeys(experiments), **cells} for cells in table.values()]


def _grouped(items: Sequence[SheetItem]) -> dict[tuple[str, str | None], list[SheetItem]]:
    groups: dict[tuple[str, str | None], list[SheetItem]] = {}
    for item in items:
        groups.setdefault((item.benchmark, item.category), []).append(item)
    return groups


def _shuffled(item: SheetItem) -> str:
    return hashlib.sha256(f"{item.benchmark}/{item.item_id}".encode()).hexdigest()


def _picture(item: SheetItem, images: ImageReader, usable: set[str]) -> Picture:
    if not item.images_sha256:
        return Picture(None, "画像のない質問")
    try:
        if not usable.issuperset(item.images_sha256):
            raise DataError("it is in none of the given benchmark datasets")
        return Picture(_thumbnail([images.read(name) for name in item.images_sha256]))
    except DataError as error:
        log.warning("samples.html shows no image for item %s of %s: %s", item.item_id, item.benchmark, error)
        return Picture(None, f"画像なし: {error}")


def _thumbnail(contents: Sequence[bytes]) -> bytes:
    """The image for the page: small ones exactly (PNG), larger ones scaled down (JPEG); several one below the other."""
    shown = [decode(content) for content in contents]
    is_small = all(max(image.size) <= LARGEST_SIDE for image in shown)
    for image in shown:
        image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    buffer = io.BytesIO()
    whole = shown[0] if len(shown) == 1 else _stacked(shown)
    whole.save(buffer, "PNG") if is_small else whole.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _stacked(images: Sequence[Image.Image]) -> Image.Image:
    heights = [image.height for image in images]
    size = max(image.width for image in images), sum(heights) + GAP * (len(images) - 1)
    whole = Image.new("RGB", size, "white")
    for image, top in zip(images, accumulate(heights, lambda y, height: y + height + GAP, initial=0), strict=False):
        whole.paste(image, (0, top))
    return whole
