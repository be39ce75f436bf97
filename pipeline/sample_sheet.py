"""A page of sample answers: image, question, reference, and what every model said. One HTML file, nothing loaded.

Questions and answers are text from outside. The template escapes all of it, and the page's own policy forbids scripts.
"""

import base64
import hashlib
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.errors import DataError
from pipeline.images import ImageReader, decode

log = logging.getLogger(__name__)

NUM_ITEMS = 24
"""Items on one page."""
LARGEST_SIDE = 256
"""Side of an image on the page, in pixels; a larger one is scaled down."""
JPEG_QUALITY = 85


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
    image_sha256: str | None
    answers: tuple[SheetAnswer, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """An image inside the page, or the reason why it is not there."""

    data_url: str | None
    reason: str = ""


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
        loader=PackageLoader("pipeline", "templates"),
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


def _grouped(items: Sequence[SheetItem]) -> dict[tuple[str, str | None], list[SheetItem]]:
    groups: dict[tuple[str, str | None], list[SheetItem]] = {}
    for item in items:
        groups.setdefault((item.benchmark, item.category), []).append(item)
    return groups


def _shuffled(item: SheetItem) -> str:
    return hashlib.sha256(f"{item.benchmark}/{item.item_id}".encode()).hexdigest()


def _picture(item: SheetItem, images: ImageReader, usable: set[str]) -> Picture:
    if item.image_sha256 is None:
        return Picture(None, "画像のない質問")
    try:
        if item.image_sha256 not in usable:
            raise DataError("it is in none of the given benchmark datasets")
        return Picture(_data_url(images.read(item.image_sha256)))
    except DataError as error:
        log.warning("samples.html shows no image for item %s of %s: %s", item.item_id, item.benchmark, error)
        return Picture(None, f"画像なし: {error}")


def _data_url(content: bytes) -> str:
    """The image as a data URL: small ones exactly (PNG), larger ones scaled down (JPEG)."""
    image = decode(content)
    buffer = io.BytesIO()
    if max(image.size) <= LARGEST_SIDE:
        kind = "png"
        image.save(buffer, "PNG")
    else:
        kind = "jpeg"
        image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
        image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
