"""The vision tower over many images: decode, encode, write shards. The work of ``pipeline.features.step``.

Images are decoded in worker processes while the device encodes and threads write. Batches never cross the border of a
shard, so what is computed does not depend on the number of processes.
"""

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

from model.config import ImageConfig
from model.vision.tower import VisionTower, pixels_of
from pipeline.core.errors import ConfigError, DataError
from pipeline.core.pixel_budget import pixel_budget, renew_pixel_budget
from pipeline.data.image_reader import ImageReader
from pipeline.data.images import decode, num_pixels
from pipeline.features.shards import EncodedImages, FailedImage
from pipeline.features.storage import FeatureShape, pack

log = logging.getLogger(__name__)

IMAGES_PER_BATCH = 32
"""Images encoded together, at most. Fixed, because another batch could change the last bits of a feature."""
AFTER_ALL_OTHERS = -1000
BATCHES_AHEAD = 2
"""Decoded batches that every decoding process keeps ready."""


@dataclass(frozen=True, slots=True)
class DecodedImages:
    """A batch of images as the tower takes them, and those that could not be decoded."""

    shard: int
    keys: tuple[str, ...]
    source_sizes: tuple[tuple[int, int], ...]
    pixels_B3HW: torch.Tensor
    failures: tuple[FailedImage, ...]

    def part(self, start: int, end: int) -> "DecodedImages":
        """Some of the images; the failures stay with the first part."""
        failures = () if start else self.failures
        pixels = self.pixels_B3HW[start:end]
        return DecodedImages(self.shard, self.keys[start:end], self.source_sizes[start:end], pixels, failures)

    def pin_memory(self) -> "DecodedImages":
        """For the DataLoader: the same in memory that the device can copy from."""
        pinned = self.pixels_B3HW.pin_memory()
        return DecodedImages(self.shard, self.keys, self.source_sizes, pinned, self.failures)


class BatchesOfShards(Dataset[DecodedImages]):
    """The batches of some shards in order; reading one decodes its images."""

    def __init__(self, images: ImageReader, shards: Sequence[Sequence[str]], *, image_size: int) -> None:
        self._images = images
        self._image_size = image_size
        self._batches = [
            (number, tuple(keys[start : start + IMAGES_PER_BATCH]))
            for number, keys in enumerate(shards)
            for start in range(0, len(keys), IMAGES_PER_BATCH)
        ]

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> DecodedImages:
        shard, wanted = self._batches[index]
        keys, sizes, pixels, failures = [], [], [], []
        for key in wanted:
            try:
                size, resized = decoded_pixels(self._images.read(key), image_size=self._image_size)
            except DataError as error:
                failures.append(FailedImage(key, str(error)))
                continue
            keys.append(key)
            sizes.append(size)
            pixels.append(resized)
        stacked = torch.stack(pixels) if pixels else torch.zeros(0, 3, 0, 0, dtype=torch.uint8)
        return DecodedImages(shard, tuple(keys), tuple(sizes), stacked, tuple(failures))


def decoded_pixels(content: bytes, *, image_size: int) -> tuple[tuple[int, int], torch.Tensor]:
    """An image's own size, and its pixels as the tower takes them; who decodes beside it waits where it is large.

    Raises:
        DataError: it is no image that can be used.
    """
    with pixel_budget().taking(num_pixels(content)):
        image = decode(content)
        return image.size, pixels_of(image, image_size=image_size)


def decoded_batches(
    batches: BatchesOfShards, *, image_size: int, num_decoders: int, num_processes: int = 1
) -> Iterator[DecodedImages]:
    """The batches in order, decoded ahead by ``num_decoders`` processes; by none: in this thread, one at a time.

    ``num_processes`` are those of this machine that decode at once, each with so many of its own.

    Raises:
        ConfigError: the processes cannot hand over so many images.
    """
    renew_pixel_budget()  # made here, it is that of all decoders
    if num_decoders:
        num_ahead = min(len(batches), num_decoders * BATCHES_AHEAD) * num_processes
        _require_shared_memory(num_ahead * IMAGES_PER_BATCH * 3 * image_size**2)
    loader = DataLoader(
        batches,
        batch_size=None,
        num_workers=num_decoders,
        prefetch_factor=BATCHES_AHEAD if num_decoders else None,
        pin_memory=torch.cuda.is_available(),
        multiprocessing_context="fork" if num_decoders else None,
        worker_init_fn=_end_at_once,
    )
    yield from loader


def _end_at_once(_: int) -> None:
    """A decoding process leaves nothing behind, and lacks the threads that its parent's libraries would end there."""
    Finalize(None, os._exit, args=(0,), exitpriority=AFTER_ALL_OTHERS)


def _require_shared_memory(num_bytes: int) -> None:
    """A process that runs out of shared memory dies of a bus error, which says nothing."""
    folder = Path("/dev/shm")
    if folder.exists() and shutil.disk_usage(folder).free < num_bytes:
        free = shutil.disk_usage(folder).free / 1e6
        raise ConfigError(
            f"decoding needs {num_bytes / 1e6:.0f} MB in {folder}, {free:.0f} MB are free; lower "
            "LLAVA_JP_NUM_DECODERS, or give the container more (docker run --shm-size)"
        )


class Encoder:
    """The tower on its device, with the largest batch that fits there."""

    def __init__(
        self, tower: VisionTower, config: ImageConfig, shape: FeatureShape, channel_rms_SV: torch.Tensor | None
    ) -> None:
        self.tower = tower
        self.config = config
        self.shape = shape
        self.channel_rms_SV = channel_rms_SV
        self.max_images = IMAGES_PER_BATCH

    def encode(self, decoded: DecodedImages) -> list[EncodedImages]:
        """The images' payloads; when the device's memory is too small, in several smaller batches from then on.

        Raises:
            torch.OutOfMemoryError: a single image does not fit.
        """
        encoded: list[EncodedImages] = []
        start, count = 0, len(decoded.keys)
        while start < count or not encoded:
            part = decoded.part(start, start + self.max_images)
            try:
                encoded.append(self._encode(part))
            except torch.OutOfMemoryError:
                if self.max_images == 1:
                    raise
                torch.cuda.empty_cache()
                self.max_images //= 2
                log.warning(
                    "the device's memory is too small: going on with %d images a batch (features may differ in the "
                    "last bits from those of larger batches)", self.max_images,
                )  # fmt: skip
                continue
            start += self.max_images
        return encoded

    @torch.no_grad()
    def _encode(self, part: DecodedImages) -> EncodedImages:
        shape = self.shape
        if not part.keys:
            none = torch.zeros(0, shape.num_scales)
            payloads = torch.zeros(0, shape.num_scales, shape.payload_bytes, dtype=torch.uint8)
            return EncodedImages((), (), payloads, none, none, torch.zeros(0, dtype=torch.bool), part.failures)
        features_BSTV = self.tower.encode(part.pixels_B3HW, self.config)
        norms_BST = features_BSTV.float().norm(dim=-1)
        return EncodedImages(
            keys=part.keys,
            source_sizes=part.source_sizes,
            payloads_BSP=to_host(pack(features_BSTV, shape, self.channel_rms_SV)),
            mean_norms_BS=to_host(norms_BST.mean(dim=-1)),
            max_norms_BS=to_host(norms_BST.amax(dim=-1)),
            is_finite_B=to_host(features_BSTV.isfinite().flatten(1).all(dim=-1)),
            failures=part.failures,
        )


def to_host(tensor: torch.Tensor) -> torch.Tensor:
    """A copy on the CPU. From a GPU into pinned memory, not waited for: an event says when it is there."""
    if tensor.device.type == "cpu":
        return tensor.contiguous()
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor, non_blocking=True)


def feature_shape(tower: VisionTower, config: ImageConfig, *, dtype: str, form: str) -> FeatureShape:
    """What the encoder's payloads hold."""
    return FeatureShape.from_json(
        {
            "sides": config.sides,
            "num_tokens": tower.num_tokens(config.layout),
            "width": tower.width,
            "dtype": dtype,
            "form": form,
        }
    )


def default_device() -> torch.device:
    """The GPU where there is one; of several the one of this process's local rank, which becomes the current one."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device
