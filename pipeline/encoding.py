"""The vision tower over many images: decode, encode, write shards. The work of ``pipeline.features``."""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from model.config import ImageConfig, VisionTowerConfig
from model.vision_tower import VisionTower, build_vision_tower, pixels_of
from pipeline.config import FeatureConfig
from pipeline.errors import DataError
from pipeline.feature_cache import FailedImage, FeatureShape, shard_failures, write_shard
from pipeline.images import ImageReader, decode
from pipeline.parquet import write_rows
from pipeline.progress import Progress

log = logging.getLogger(__name__)

IMAGES_PER_BATCH = 32
"""Images encoded together. Fixed, because another batch could change the last bits of a feature."""

FAILURE_SCHEMA = pa.schema(
    [pa.field("image_sha256", pa.string(), nullable=False), pa.field("reason", pa.string(), nullable=False)]
)


def encode_all(
    tower_config: VisionTowerConfig, config: FeatureConfig, images: ImageReader, directory: Path
) -> dict[str, Any]:
    """Write the missing shards of a partial directory, then ``failures.parquet``; returns the manifest's summary."""
    usable, size = images.usable(), config.images_per_shard
    shards = {
        directory / f"shard-{index:05d}.parquet": usable[start : start + size]
        for index, start in enumerate(range(0, len(usable), size))
    }
    missing = {path: keys for path, keys in shards.items() if not path.exists()}
    tower = build_vision_tower(tower_config).to(default_device())
    shape = FeatureShape(len(config.scales), tower.num_patches, tower.width, tower_config.dtype)
    num_images, num_missing = (sum(map(len, part.values())) for part in (shards, missing))
    log.info(
        "features: %d of %d shards to make, %d images, %.2f GB on %s",
        len(missing), len(shards), num_missing, num_missing * shape.row_bytes / 1e9, default_device(),
    )  # fmt: skip
    progress = Progress("encode images", total=num_images, unit="images", start=num_images - num_missing)
    for path, keys in missing.items():
        encoded, failures = _encode_shard(tower, config, images, keys, progress)
        write_shard(path, encoded, shape=shape, failures=failures)
    progress.finish()
    failures = [failure for path in shards for failure in shard_failures(path)]
    write_rows(
        directory / "failures.parquet",
        ({"image_sha256": failure.image_sha256, "reason": failure.reason} for failure in failures),
        schema=FAILURE_SCHEMA,
    )
    return {
        "num_images": num_images - len(failures),
        "num_failed": len(failures),
        "num_shards": len(shards),
        "bytes_per_image": shape.row_bytes,
        "num_vision_tokens": shape.num_tokens,
        "num_channels": shape.num_scales * shape.width,
    }


def _encode_shard(
    tower: VisionTower, config: FeatureConfig, images: ImageReader, keys: Sequence[str], progress: Progress
) -> tuple[list[tuple[str, torch.Tensor]], list[FailedImage]]:
    encoded: list[tuple[str, torch.Tensor]] = []
    failures: list[FailedImage] = []
    for batch in _decoded(images, keys, config.image_size):
        failures += [item for item in batch if isinstance(item, FailedImage)]
        readable = [item for item in batch if not isinstance(item, FailedImage)]
        if readable:
            encoded += zip(
                [key for key, _ in readable], encode_pixels(tower, [p for _, p in readable], config), strict=True
            )
        progress.advance(len(batch))
    return encoded, failures


def _decoded(
    images: ImageReader, keys: Sequence[str], image_size: int
) -> Iterator[list[tuple[str, torch.Tensor] | FailedImage]]:
    """Batches of pixels; the next batch is decoded while this one is encoded."""

    def pixels(key: str) -> tuple[str, torch.Tensor] | FailedImage:
        try:
            return key, pixels_of(decode(images.read(key)), image_size=image_size)
        except DataError as error:
            return FailedImage(key, str(error))

    batches = [keys[start : start + IMAGES_PER_BATCH] for start in range(0, len(keys), IMAGES_PER_BATCH)]
    with ThreadPoolExecutor() as pool:
        ahead = [pool.submit(pixels, key) for key in batches[0]] if batches else []
        for following in [*batches[1:], ()]:
            current, ahead = ahead, [pool.submit(pixels, key) for key in following]
            yield [future.result() for future in current]


def encode_pixels(tower: VisionTower, pixels: Sequence[torch.Tensor], config: ImageConfig) -> list[torch.Tensor]:
    """Features of uint8 images, each ``[S, T, V]`` on the CPU. The cache and the evaluation both come through here."""
    return list(tower.encode(torch.stack(list(pixels)), config).cpu())


def default_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
