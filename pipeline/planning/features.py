"""How many of an experiment's images have features already, and whether the disk can hold the others."""

from collections.abc import Mapping
from typing import NamedTuple

from pipeline.config.experiment import ExperimentConfig
from pipeline.config.identity import Identities
from pipeline.core.wording import size_text
from pipeline.data.image_reader import ImageReader
from pipeline.features.shard_requests import encoded_images, encoder_description, shards_of
from pipeline.features.sizes import STORAGE_FORMATS, bytes_per_image, require_space
from pipeline.planning.data_sizes import DatasetSize, data_sizes
from pipeline.planning.steps import Plan, Role
from pipeline.store.artifacts import ArtifactStore


class ImageCount(NamedTuple):
    """The images of an experiment's training data."""

    num_images: int
    num_cached: int
    """Those that have features in the experiment's form."""
    is_counted: bool
    """Each image once, as the prepared datasets say; before, an image of both datasets counts twice."""

    @property
    def num_to_encode(self) -> int:
        return self.num_images - self.num_cached


def count_images(
    config: ExperimentConfig, plan: Plan, data: Mapping[str, DatasetSize], *, store: ArtifactStore
) -> ImageCount:
    """Count the images and those that have features; ``data`` is believed while it is not prepared."""
    found = [plan.find(Role("dataset", stage), store) for stage in ("pretrain", "finetune")]
    datasets = [manifest for manifest in found if manifest is not None]
    if len(datasets) < len(found):
        return ImageCount(data["pretrain"].num_images + data["finetune"].num_images, 0, False)
    images = set(ImageReader(datasets).usable())
    calibration = plan.find(Role("calibration"), store)
    if config.features.form == "live" or (Role("calibration") in plan and calibration is None):
        return ImageCount(len(images), 0, True)
    encoder = encoder_description(config.vision_tower, config.features, Identities(store.root))
    encoded = {key for shard in shards_of(store, encoder, calibration=calibration) for key in encoded_images(shard)}
    return ImageCount(len(images), len(images & encoded), True)


def features_note(config: ExperimentConfig, count: ImageCount) -> str:
    """The images, those that are cached, and what all of them would take in each form."""
    sizes = {
        form: count.num_images * bytes_per_image(config.vision_tower, config.features, form=form)
        for form in STORAGE_FORMATS
    }
    forms = ", ".join(f"{size_text(num_bytes)} as {form}" for form, num_bytes in sizes.items())
    about = "" if count.is_counted else "about "
    return (
        f"features of {about}{count.num_images} images, {count.num_cached} of them cached; form is "
        f"{config.features.form}; all take {forms}, nothing as live, which encodes them again in every epoch"
    )


def require_space_for(config: ExperimentConfig, plan: Plan, *, store: ArtifactStore) -> None:
    """Stop before a run whose features the disk cannot hold.

    Raises:
        StoreError: with what is needed, what is free, and what to do.
        ConfigError: a scale is not a multiple of the tower's tiles.
    """
    count = count_images(config, plan, data_sizes(config, plan, store=store), store=store)
    require_space(config.vision_tower, config.features, num_images=count.num_to_encode, root=store.root)
