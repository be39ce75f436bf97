"""What features will need: bytes on disk in each form, floating-point operations, hours."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from model.config import ImageConfig, VisionTowerConfig
from pipeline.compute.model_sizes import Tower, matrix_rate, tower_sizes
from pipeline.config.experiment import FeatureConfig, StorageFormat
from pipeline.core.disk import free_bytes
from pipeline.core.errors import ConfigError, StoreError
from pipeline.core.wording import size_text
from pipeline.features.calibration import NUM_IMAGES
from pipeline.features.storage import FeatureShape

EFFICIENCY = 0.3
"""Part of the measured matrix rate that whole steps are assumed to reach."""
COMPRESSED = {"bfloat16": 0.72, "float16": 0.9, "float32": 0.85}
"""Bytes of ``exact-zstd`` for one of ``exact`` by number format, as measured (docs/benchmarks.md)."""
STORAGE_FORMATS: tuple[StorageFormat, ...] = ("exact", "exact-zstd", "int8")


@dataclass(frozen=True, slots=True)
class Cost:
    """Needs of one step; of a finished one the memory is not known."""

    num_bytes: int
    seconds: float
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class FormCost:
    """What one form of the features needs for some images."""

    form: str
    num_images: int
    """Images to encode."""
    bytes_per_image: int
    num_bytes: int
    encoding_seconds: float


def form_costs(
    tower: VisionTowerConfig, config: FeatureConfig, *, num_images: int, num_cached: Mapping[str, int]
) -> Iterator[FormCost]:
    """The needs of every form on one device. ``live`` takes no space, and its time in every epoch instead of once."""
    seconds_per_image = encoding_flops(tower_sizes(tower), config) / (matrix_rate() * EFFICIENCY)
    for form in STORAGE_FORMATS:
        per_image, num_new = bytes_per_image(tower, config, form=form), num_images - num_cached.get(form, 0)
        yield FormCost(form, num_new, per_image, per_image * num_new, seconds_per_image * num_new)
    yield FormCost("live", num_images, 0, 0, seconds_per_image * num_images)


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


def features_cost(tower: VisionTowerConfig, config: FeatureConfig, num_images: int) -> Cost:
    """Of the features of a dataset none of whose images is cached yet."""
    sizes = tower_sizes(tower)
    memory = sizes.num_parameters * (4 if tower.dtype == "float32" else 2)
    if config.form == "live":
        return Cost(0, 0.0, 0)
    seconds = num_images * encoding_flops(sizes, config) / (matrix_rate() * EFFICIENCY)
    return Cost(cached_bytes(tower, config, num_images=num_images), seconds, memory)


def calibration_cost(tower: VisionTowerConfig, config: FeatureConfig, num_images: int) -> Cost:
    """Of the calibration for ``int8``."""
    cost = features_cost(tower, config, min(num_images, NUM_IMAGES))
    return Cost(0, cost.seconds, cost.memory_bytes)


def encoding_flops(tower: Tower, config: ImageConfig) -> float:
    """Of one image, over all tiles of all scales: 3.2e12 for SigLIP so400m at 768 and 384 pixels."""
    num_tiles = sum((side // tower.tile_size) ** 2 for side in config.sides)
    return num_tiles * tower.flops_per_tile
