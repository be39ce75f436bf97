"""Where the training's features come from: the cache, or the vision tower itself (``features.form=live``)."""

from collections.abc import Sequence
from typing import Protocol

import pyarrow.parquet as pq
import torch

from model.config import ImageConfig
from model.vision.s2 import join_scales
from model.vision.tower import VisionTower, build_vision_tower
from pipeline.core.errors import DataError
from pipeline.data.image_reader import ImageReader
from pipeline.features.cache import IMAGES_FILE
from pipeline.features.encoder import decoded_pixels
from pipeline.features.reader import FeatureReader
from pipeline.features.storage import unpack
from pipeline.features.summaries import FeaturesSummary
from pipeline.store.artifacts import read_manifest
from pipeline.training.job import TrainingJob

NO_IMAGES = torch.zeros(0, dtype=torch.uint8)
"""What a batch without images gives to ``on_device``."""


class FeatureSource(Protocol):
    """The features of images by their sha256."""

    num_vision_tokens: int
    """Tokens of one image."""
    num_channels: int
    """Channels of one token, all S2 scales side by side."""

    def __contains__(self, image_sha256: str) -> bool: ...

    def load(self, keys: Sequence[str]) -> torch.Tensor:
        """What ``on_device`` needs for these images; called in threads, ahead of time."""
        ...

    def on_device(self, loaded: torch.Tensor, device: torch.device) -> torch.Tensor:
        """The features ``[N, P, V]`` of what ``load`` gave."""
        ...


class CachedFeatures:
    """From a ``features`` artifact; payloads cross to the device as they are stored and become features there."""

    def __init__(self, reader: FeatureReader, device: torch.device) -> None:
        if reader.shape is None:
            raise DataError(f"{reader.directory} holds no features; a stage needs at least one image")
        self._reader = reader
        self._shape = reader.shape
        self._channel_rms = None if reader.channel_rms is None else reader.channel_rms.to(device)
        self.num_vision_tokens = reader.shape.num_tokens
        self.num_channels = reader.shape.num_channels

    def __contains__(self, image_sha256: str) -> bool:
        return image_sha256 in self._reader

    def load(self, keys: Sequence[str]) -> torch.Tensor:
        return self._reader.load(keys)

    def on_device(self, loaded: torch.Tensor, device: torch.device) -> torch.Tensor:
        if not len(loaded):
            return torch.zeros(0, 0, 0, device=device)
        payloads = loaded.to(device, non_blocking=True)
        return join_scales(unpack(payloads, self._shape, self._channel_rms))


class LiveFeatures:
    """From the images themselves: decoded in the loader's threads, encoded on the device in every step."""

    def __init__(self, keys: Sequence[str], images: ImageReader, tower: VisionTower, config: ImageConfig) -> None:
        self._keys = frozenset(keys)
        self._images = images
        self._tower = tower
        self._config = config
        self.num_vision_tokens = tower.num_tokens(config.layout)
        self.num_channels = tower.width * len(config.scales)

    def __contains__(self, image_sha256: str) -> bool:
        return image_sha256 in self._keys

    def load(self, keys: Sequence[str]) -> torch.Tensor:
        side = self._config.image_size
        pixels = torch.stack([decoded_pixels(self._images.read(key), image_size=side)[1] for key in keys])
        return pixels.pin_memory() if torch.cuda.is_available() else pixels

    def on_device(self, loaded: torch.Tensor, device: torch.device) -> torch.Tensor:
        if not len(loaded):
            return torch.zeros(0, 0, 0, device=device)
        return join_scales(self._tower.encode(loaded, self._config))


def open_features(job: TrainingJob, device: torch.device) -> FeatureSource:
    """The features that a training job names."""
    manifest = read_manifest(job.features)
    if FeaturesSummary.of(manifest).form != "live":
        reader = FeatureReader(job.features, check=job.check_features, num_threads=job.num_readers)
        return CachedFeatures(reader, device)
    keys = pq.read_table(manifest.path(IMAGES_FILE), columns=["image_sha256"])["image_sha256"].to_pylist()
    tower = build_vision_tower(job.vision_tower).to(device)
    return LiveFeatures(keys, ImageReader([read_manifest(job.dataset)]), tower, job.images)
