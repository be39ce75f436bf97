"""Encodes the shards of a job: every process its part, or any other part of them. Runs in worker processes.

By hand, on as many machines as share the store: ``RANK=0 WORLD_SIZE=4 python -P -m pipeline.compute.worker job.json``
and so on.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch

from model.config import VisionTowerConfig
from model.vision.tower import build_vision_tower
from pipeline.config.experiment import FeatureConfig
from pipeline.core.errors import DataError
from pipeline.data.image_reader import ImageReader
from pipeline.features.calibration import read_calibration
from pipeline.features.encoder import (
    BatchesOfShards,
    DecodedImages,
    Encoder,
    decoded_batches,
    default_device,
    feature_shape,
)
from pipeline.features.shard_requests import encoder_fingerprint, shard_request
from pipeline.features.shard_writers import Encoded, ShardWriters
from pipeline.features.shards import EncodedImages, write_shard
from pipeline.features.summaries import ShardSummary
from pipeline.store.artifacts import ArtifactStore, read_manifest
from pipeline.store.manifest import Record

MANY_FAILURES = 1000
"""Unreadable images from which on a run stops when they are more than the readable ones."""

Advance = Callable[[int, str], None]
"""Called with the number of images that are done since the last call, and a note on where the time goes."""


class EncodingJob(Record):
    """Everything a worker needs, as a file."""

    entry: Literal["pipeline.features.run"] = "pipeline.features.run"
    kind: Literal["encode"] = "encode"
    vision_tower: VisionTowerConfig
    features: FeatureConfig
    encoder: dict[str, Any]
    """What the shards are filed under; see ``pipeline.features.shard_requests``."""
    dataset: Path
    """The artifact whose images are encoded."""
    calibration: Path | None
    shards: Path
    """A table of shards and their images; see ``pipeline.features.cache``."""
    num_images: int
    store: Path


def encode_part(
    job: EncodingJob,
    shards: Sequence[Sequence[str]],
    *,
    num_decoders: int,
    num_processes: int = 1,
    advance: Advance,
) -> None:
    """Encode some shards of a job, given by their images. A shard that another process has made is left alone."""
    store = ArtifactStore(job.store)
    calibration = read_manifest(job.calibration) if job.calibration else None
    requests = [shard_request(job.encoder, keys, calibration=calibration) for keys in shards]
    todo = [number for number, request in enumerate(requests) if store.find(request) is None]
    advance(sum(map(len, shards)) - sum(len(shards[number]) for number in todo), "")
    if not todo:
        return
    encoder = _encoder(job.vision_tower, job.features, job.calibration, encoder_fingerprint(job.encoder))
    device = encoder.tower.pixel_mean.device
    batches = BatchesOfShards(
        ImageReader([read_manifest(job.dataset)]),
        [shards[number] for number in todo],
        image_size=job.features.image_size,
    )

    def write(number: int, encoded: Iterator[EncodedImages]) -> None:
        def work(directory: Path) -> ShardSummary:
            rms = encoder.channel_rms_SV
            counts = write_shard(
                directory,
                encoded,
                shape=encoder.shape,
                encoder=job.encoder,
                channel_rms_SV=None if rms is None else rms.cpu(),
            )
            return ShardSummary(**counts.model_dump(), **encoder.shape.to_json(), dataset=job.dataset.name)

        store.produce(requests[todo[number]], work)

    meter, unreadable, told = _Meter(), _Unreadable(), 0
    with ShardWriters(write) as writers:
        decoded = decoded_batches(
            batches, image_size=job.features.image_size, num_decoders=num_decoders, num_processes=num_processes
        )
        for batch in meter.waiting_for(decoded):
            advance(told, meter.note(writers))
            unreadable.count(batch)
            writers.put(batch.shard, _encoded(encoder, batch, device))
            told = len(batch.keys) + len(batch.failures)
    advance(told, meter.note(writers))  # the last batch counts when its shard is there


class _Unreadable:
    """Stops a run whose images have gone, as when a disk is not mounted, instead of listing half a million of them."""

    def __init__(self) -> None:
        self._num_read = self._num_failed = 0

    def count(self, batch: DecodedImages) -> None:
        self._num_read += len(batch.keys)
        self._num_failed += len(batch.failures)
        if self._num_failed >= MANY_FAILURES and self._num_failed > self._num_read:
            raise DataError(
                f"{self._num_failed} of the first {self._num_failed + self._num_read} images could not be read, the "
                f"last because: {batch.failures[-1].reason if batch.failures else 'see above'}. "
                "Are their folders there? Finished shards are kept"
            )


@lru_cache(maxsize=1)
def _encoder(vision_tower: VisionTowerConfig, features: FeatureConfig, calibration: Path | None, _: str) -> Encoder:
    """Kept for the next part of a job in this process. The last argument changes with the weights on disk."""
    tower = build_vision_tower(vision_tower).to(default_device())
    assert features.form != "live"
    shape = feature_shape(tower, features, dtype=vision_tower.dtype, form=features.form)
    rms = None if calibration is None else read_calibration(calibration).to(default_device())
    return Encoder(tower, features, shape, rms)


def _encoded(encoder: Encoder, batch: DecodedImages, device: torch.device) -> Encoded:
    """Start the computation of a batch; on a GPU it runs on, and the events say from when to when."""
    if device.type == "cpu":
        started = time.perf_counter()
        parts = encoder.encode(batch)
        seconds = time.perf_counter() - started
        return Encoded(parts, lambda: seconds)
    start, end = torch.Event(device, enable_timing=True), torch.Event(device, enable_timing=True)
    start.record()
    parts = encoder.encode(batch)
    end.record()

    def finished() -> float:
        end.synchronize()
        return float(start.elapsed_time(end)) / 1e3

    return Encoded(parts, finished)


class _Meter:
    """Where the time of the encoding loop goes."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._decoding = 0.0

    def waiting_for(self, batches: Iterator[DecodedImages]) -> Iterator[DecodedImages]:
        while True:
            before = time.perf_counter()
            try:
                batch = next(batches)
            except StopIteration:
                return
            self._decoding += time.perf_counter() - before
            yield batch

    def note(self, writers: ShardWriters) -> str:
        """``waiting for images 5 %, encoding 90 %, writing 40 %: limited by encoding``."""
        seconds = max(time.perf_counter() - self._started, 1e-9)
        shares = {
            "waiting for images": self._decoding / seconds,
            "encoding": writers.seconds_encoding / seconds,
            "writing": writers.seconds_writing / seconds,
        }
        limit = "decoding" if (most := max(shares, key=lambda name: shares[name])).startswith("waiting") else most
        return ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items()) + f": limited by {limit}"
