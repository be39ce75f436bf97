"""Our cache in each of its forms; every row's checksum is compared unless the line says otherwise.

``exact-zstd`` and ``int8`` are delivered as they are stored, the former decompressed: what is left to do, the training
does on its device (``pipeline.features.storage.unpack``).
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from pipeline.config.experiment import StorageFormat
from pipeline.features.reader import Check, FeatureReader
from pipeline.features.shards import EncodedImages, write_shard
from pipeline.features.storage import FeatureShape, pack, unpack
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Request
from tests.benchmarks.cache_contender import SHARD_ROWS, Contender, Mode, Row, RowReader, RowShape, shards

IMAGES_PER_BATCH = 32
LARGEST_ERROR = 0.015
"""Of the features, relative; int8 makes 0.9 %."""


def _key(position: int) -> str:
    return f"{position:064x}"


def shape_of(rows: RowShape, form: StorageFormat) -> FeatureShape:
    """The sides only name the columns."""
    num_scales, num_tokens, width = rows
    sides = tuple(768 >> scale for scale in range(num_scales))
    return FeatureShape(sides, num_tokens, width, "bfloat16", form)


def write(folder: Path, rows: npt.NDArray[np.uint16], *, form: StorageFormat) -> None:
    """Every shard is an artifact; the features artifact names them all."""
    store, shape = ArtifactStore(folder), shape_of(rows.shape[1:], form)
    rms = _channel_rms(rows) if form == "int8" else None
    parts = []
    for number, shard in shards(rows):
        write_one = partial(_write_shard, shard, number * SHARD_ROWS, shape=shape, rms=rms)
        request = Request(step="feature_shard", version=1, config={"number": number})
        parts.append(store.produce(request, write_one).address)
    store.produce(Request(step="features", version=1, config={}), lambda _: {"form": form, "parts": parts})


def _write_shard(
    shard: npt.NDArray[np.uint16], first: int, directory: Path, *, shape: FeatureShape, rms: torch.Tensor | None
) -> dict[str, object]:
    features = torch.from_numpy(shard).view(torch.bfloat16)
    batches = (
        _encoded(features[start : start + IMAGES_PER_BATCH], first + start, shape, rms)
        for start in range(0, len(features), IMAGES_PER_BATCH)
    )
    return write_shard(directory, batches, shape=shape, encoder={}, channel_rms_SV=rms)


def _encoded(features: torch.Tensor, first: int, shape: FeatureShape, rms: torch.Tensor | None) -> EncodedImages:
    """What the encoder hands over; the norms are the device's work and not measured here."""
    count, none = len(features), torch.zeros(len(features), shape.num_scales)
    keys = tuple(_key(first + place) for place in range(count))
    is_finite = torch.ones(count, dtype=torch.bool)
    return EncodedImages(keys, ((640, 480),) * count, pack(features, shape, rms), none, none, is_finite)


def _channel_rms(rows: npt.NDArray[np.uint16]) -> torch.Tensor:
    return torch.from_numpy(rows[:64]).view(torch.bfloat16).float().square().mean(dim=(0, 2)).sqrt()


class OurReader(RowReader):
    """One form through ``FeatureReader``; rows are payloads, ``[S, P]`` as uint8."""

    def __init__(self, folder: Path, shape: RowShape, *, form: StorageFormat, check: Check, num_threads: int) -> None:
        super().__init__(shape)
        self.features = shape_of(shape, form)
        (directory,) = (folder / "artifacts" / "features").iterdir()
        self.reader = FeatureReader(directory, check=check, num_threads=num_threads)

    def buffer(self, num_rows: int) -> npt.NDArray[np.uint16]:
        size = (num_rows, self.features.num_scales, self.features.payload_bytes)
        return np.ones(size, np.uint8)  # type: ignore[return-value]

    def read(self, position: int, ready: Row) -> Row:
        self.reader.load([_key(position)], torch.from_numpy(ready[None]))
        return ready

    def read_batch(self, positions: Sequence[int], ready: npt.NDArray[np.uint16]) -> None:
        self.reader.load([_key(position) for position in positions], torch.from_numpy(ready))

    def is_right(self, row: Row, expected: Row) -> bool:
        found = unpack(torch.from_numpy(row)[None], self.features, self.reader.channel_rms)[0]
        written = torch.from_numpy(expected).view(torch.bfloat16)
        if self.features.form != "int8":
            return torch.equal(found, written)
        return bool((found - written).float().norm() <= LARGEST_ERROR * written.float().norm())

    def close(self) -> None:
        self.reader.close()


class OurBatchReader(OurReader):
    """The same for lines about batches alone."""

    modes = (Mode.BATCHES,)


def _readers(form: StorageFormat) -> dict[str, Callable[[Path, RowShape], RowReader]]:
    name = f"ours, {form}"
    lines: dict[str, Callable[[Path, RowShape], RowReader]] = {
        name: partial(OurReader, form=form, check="always", num_threads=4),
    }
    if form == "exact":
        lines[f"{name}, no checksums"] = partial(OurReader, form=form, check="never", num_threads=4)
        for count in (1, 2, 8):
            label = f"{name}, {count} thread{'s' if count > 1 else ''}"
            lines[label] = partial(OurBatchReader, form=form, check="always", num_threads=count)
    return lines


FORMS: tuple[StorageFormat, ...] = ("exact", "exact-zstd", "int8")
CONTENDERS = tuple(Contender(f"ours, {form}", (), partial(write, form=form), _readers(form)) for form in FORMS)
