"""What features will need: bytes on disk in each form, floating-point operations."""

from pathlib import Path

from model.config import ImageConfig, VisionTowerConfig
from pipeline.compute.model_sizes import Tower, tower_sizes
from pipeline.config.experiment import FeatureConfig, StorageFormat
from pipeline.core.disk import free_bytes
from pipeline.core.errors import ConfigError, StoreError
from pipeline.core.wording import size_text
from pipeline.features.storage import FeatureShape

COMPRESSED = {"bfloat16": 0.72, "float16": 0.9, "float32": 0.85}
"""Bytes of ``exact-zstd`` for one of ``exact`` by number format, as measured (docs/benchmarks.md)."""
STORAGE_FORMATS: tuple[StorageFormat, ...] = ("exact", "exact-zstd", "int8")


def require_space(tower: VisionTowerConfig, config: FeatureConfig, *, num_images: int, root: Path) -> None:
    """Stop before features that the disk cannot hold are encoded.

    Raises:
        StoreError: with what is needed, what is free, and what to do.
    """
    needed, free = cached_bytes(tower, config, num_images=num_images), free_bytes(root)
    if needed > free:
        raise StoreError(
            f"the features of {num_images} images take {size_text(needed)} as {config.form}; {root} has "
            f"{size_text(free)} free. Make room, choose a smaller form (features.form=int8, or "
            "features.form=live without any cache), or another store (LLAVA_JP_STORE)"
        )


def cached_bytes(tower: VisionTowerConfig, config: FeatureConfig, *, num_images: int) -> int:
    """What the cached features of some images take on the disk."""
    return 0 if config.form == "live" else num_images * bytes_per_image(tower, config, form=config.form)


def bytes_per_image(tower: VisionTowerConfig, config: ImageConfig, *, form: StorageFormat) -> int:
    """Of all scales together; estimated for the compressed form."""
    sizes = tower_sizes(tower)
    require_tiles(sizes, config)
    shape = FeatureShape(config.sides, sizes.num_tokens(config.layout), sizes.width, tower.dtype, form)
    return int(shape.image_bytes * COMPRESSED[tower.dtype]) if form == "exact-zstd" else shape.image_bytes


def require_tiles(tower: Tower, config: ImageConfig) -> None:
    """Stop before images that do not divide into tiles are encoded.

    Raises:
        ConfigError: a scale is not a multiple of the tower's tiles.
    """
    for scale, side in zip(config.scales, config.sides, strict=True):
        if side % tower.tile_size:
            raise ConfigError(
                f"scale {scale} gives {side} pixels, which is not a multiple of the vision tower's {tower.tile_size}; "
                "choose another features.image_size or features.scales"
            )


def encoding_flops(tower: Tower, config: ImageConfig) -> float:
    """Of one image, over all tiles of all scales: 3.2e12 for SigLIP so400m at 768 and 384 pixels."""
    num_tiles = sum((side // tower.tile_size) ** 2 for side in config.sides)
    return num_tiles * tower.flops_per_tile
