"""What is compared of two pictures to see that one is the other, changed as people and their programs change pictures.

Light, contrast and colour make no difference, as grey levels are compared with their own median; borders are trimmed
first; the mirrored picture has a hash as well; and so have the parts that are left when up to a tenth of a side is cut.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from pipeline.core.tables import schema_of

GreyLevels = npt.NDArray[np.float64]

LARGEST_SIDE = 256
"""Pixels of the picture in which borders are looked for."""
BASE_SIDE = 64
THUMBNAIL_SIDE = 16
COMPARED_SIDE = 12
COARSE_SIDE = COMPARED_SIDE // 4
COLOUR_SIDE = 4
COLOURED = 6.0
"""Levels of 255 by which a picture's colours differ from grey, in the mean, for it to be coloured."""
SAME_COLOURS = 0.3
"""Cosine from which on two pictures have the same colours, whatever their saturation."""
HASH_SIDE = 8
FLAT_DEVIATION = 1.0
"""Grey levels; a picture that varies less has no structure to compare."""
BORDER_TOLERANCE = 12
"""Grey levels by which the pixels of a border may differ, as JPEG makes them."""
BORDER_SHARE = 0.98
"""Of the pixels of a row or column that must have the border's level."""
LARGEST_BORDER = 0.45
"""Of a side."""
INTERVALS = ((0.0, 1.0), (0.1, 1.0), (0.0, 0.9), (0.05, 0.95), (0.1, 0.9))
"""Parts of a side that are left when it is cut; the first is the whole."""
NUM_WINDOWS = len(INTERVALS) ** 2


@dataclass(frozen=True, slots=True)
class Signature:
    """One row of ``signatures.parquet``: a picture, or the same without its borders."""

    image_sha256: str
    hashes: Annotated[list[int], pa.list_(pa.int64())]
    """64 bits for each window, the whole first: which of the lowest frequencies lie above their median."""
    mirrored_hash: int
    """Of the whole, left and right exchanged."""
    levels: bytes
    """The whole at 16x16: grey levels with mean 128 and deviation 48."""
    colours: bytes
    """The whole at 4x4: how far blue and red are from grey, as YCbCr has them, plus 128."""


SIGNATURE_SCHEMA = schema_of(Signature)


def signatures_of(image_sha256: str, image: Image.Image) -> list[Signature]:
    """One signature for a picture without borders, two for one with borders, none for one of a single colour."""
    small = image.copy() if max(image.size) <= LARGEST_SIDE else image.resize(_fitted(image), Image.Resampling.BOX)
    return [signature for part in _views(small.convert("YCbCr")) if (signature := _signature(image_sha256, part))]


def _fitted(image: Image.Image) -> tuple[int, int]:
    factor = LARGEST_SIDE / max(image.size)
    return max(1, round(image.width * factor)), max(1, round(image.height * factor))


def _views(small: Image.Image) -> Iterator[Image.Image]:
    yield small
    box = _without_border(np.asarray(small.getchannel(0), dtype=np.int64))
    if box != (0, 0, *small.size):
        yield small.crop(box)


def _without_border(levels: npt.NDArray[np.int64]) -> tuple[int, int, int, int]:
    """Left, upper, right and lower edge of what is no border."""
    top = _border(levels)
    bottom = _border(levels[::-1])
    rows = levels[top : len(levels) - bottom]
    left, right = _border(rows.T), _border(rows.T[::-1])
    return left, top, levels.shape[1] - right, levels.shape[0] - bottom


def _border(lines: npt.NDArray[np.int64]) -> int:
    """The number of lines at the start that have one level, the same for all."""
    level = np.median(lines[0])
    is_border = (np.abs(lines - level) <= BORDER_TOLERANCE).mean(axis=1) >= BORDER_SHARE
    return min(int(np.argmin(np.append(is_border, False))), int(LARGEST_BORDER * len(lines)))


def _signature(image_sha256: str, part: Image.Image) -> Signature | None:
    grey = part.getchannel(0).resize((BASE_SIDE, BASE_SIDE), Image.Resampling.BILINEAR)
    base = np.asarray(grey, dtype=np.float64)
    if base.std() < FLAT_DEVIATION:
        return None
    low = (_LOWEST @ base)[:, None] @ _LOWEST.transpose(0, 2, 1)  # [windows down, windows across, 8, 8]
    small = base.reshape(THUMBNAIL_SIDE, BASE_SIDE // THUMBNAIL_SIDE, THUMBNAIL_SIDE, -1).mean(axis=(1, 3))
    levels = np.clip(128 + 48 * (small - small.mean()) / small.std(), 0, 255).astype(np.uint8)
    hashes = _bits(low.reshape(NUM_WINDOWS, HASH_SIDE, HASH_SIDE))
    mirrored = _bits(low[0, 0] * (-1.0) ** np.arange(HASH_SIDE))
    colours = np.asarray(part.resize((COLOUR_SIDE, COLOUR_SIDE), Image.Resampling.BOX))[..., 1:]
    return Signature(image_sha256, hashes.tolist(), int(mirrored), levels.tobytes(), colours.tobytes())


def likeness(levels: bytes, others: bytes, *, window: int, is_mirrored: bool) -> float:
    """Correlation, at most 1, of the grey levels of a window of one picture with all of another.

    The smaller one of all levels and of what stands out from its surroundings: two skies are alike without that.
    """
    down, across = divmod(window, len(INTERVALS))
    cut = _READ[down] @ _square(levels, THUMBNAIL_SIDE) @ _READ[across].T
    whole = _READ[0] @ _square(others, THUMBNAIL_SIDE) @ _READ[0].T
    whole = whole[:, ::-1] if is_mirrored else whole
    return min(_cosine(cut - cut.mean(), whole - whole.mean()), _cosine(_details(cut), _details(whole)))


def have_other_colours(colours: bytes, others: bytes, *, is_mirrored: bool) -> bool:
    """Whether two pictures are both coloured, and in other colours: a grey copy of a picture has none."""
    ours, theirs = (_square(one, COLOUR_SIDE, 2) - 128 for one in (colours, others))
    if min(np.abs(ours).mean(), np.abs(theirs).mean()) < COLOURED:
        return False
    return _cosine(ours, theirs[:, ::-1] if is_mirrored else theirs) < SAME_COLOURS


def _square(values: bytes, side: int, *channels: int) -> GreyLevels:
    return np.frombuffer(values, dtype=np.uint8).reshape(side, side, *channels).astype(np.float64)


def _details(levels: GreyLevels) -> GreyLevels:
    """The levels without their mean over four by four."""
    means = levels.reshape(COARSE_SIDE, 4, COARSE_SIDE, 4).mean(axis=(1, 3))
    return np.asarray(levels - _BACK @ means @ _BACK.T)


def _cosine(left: GreyLevels, right: GreyLevels) -> float:
    return float((left * right).sum() / max(np.linalg.norm(left) * np.linalg.norm(right), 1e-9))


def _read(start: float, end: float, *, num_read: int, num_given: int) -> GreyLevels:
    """What reads ``num_read`` values from a part of a side that has ``num_given``: means of neighbours, by nearness."""
    step = (end - start) * num_given / num_read
    places = start * num_given + step * (np.arange(num_read) + 0.5) - 0.5
    weights = np.clip(1 - np.abs(places[:, None] - np.arange(num_given)[None, :]) / max(1.0, step), 0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


_READ = [_read(*interval, num_read=COMPARED_SIDE, num_given=THUMBNAIL_SIDE) for interval in INTERVALS]
_BACK = _read(0, 1, num_read=COMPARED_SIDE, num_given=COARSE_SIDE)


def _bits(low: GreyLevels) -> npt.NDArray[np.int64]:
    """Which frequencies lie above their median; the first is the brightness."""
    flat = low.reshape(*low.shape[:-2], -1)
    is_above = flat > np.median(flat[..., 1:], axis=-1, keepdims=True)
    return np.packbits(is_above, axis=-1).view(">i8")[..., 0].astype(np.int64)


def _lowest() -> GreyLevels:
    """For each interval the lowest rows of its cosine transform (DCT-II), as functions of the whole side."""
    places = (np.arange(BASE_SIDE) + 0.5) / BASE_SIDE
    rows = []
    for start, end in INTERVALS:
        inside = (places >= start) & (places < end)
        waves = np.cos(np.pi * np.arange(HASH_SIDE)[:, None] * (places - start) / (end - start))
        rows.append(np.where(inside, waves, 0.0))
    return np.stack(rows)


_LOWEST = _lowest()
