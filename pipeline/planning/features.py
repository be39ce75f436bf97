"""What the features of an experiment will take, before anything is encoded: for ``llava-jp show``."""

from dataclasses import dataclass

from pipeline.config.experiment import ExperimentConfig, StorageFormat
from pipeline.core.wording import duration_text, size_text
from pipeline.data.images import ImageReader
from pipeline.features.shard_requests import encoded_images, encoder_description, shards_of
from pipeline.features.sizes import STORAGE_FORMATS, FormCost, form_costs, require_space
from pipeline.planning.costs import training_data_sizes
from pipeline.planning.plan import plan_experiment
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """The images of an experiment's training data, and what each form of their features takes."""

    num_images: int
    num_cached: int
    is_counted: bool
    """Each image once, as the prepared datasets say; before, an image of both datasets counts twice."""
    form: str
    costs: tuple[FormCost, ...]

    def rows(self) -> list[dict[str, object]]:
        """One row for each form, for a table."""
        return [
            {
                "form": f"{cost.form} (chosen)" if cost.form == self.form else cost.form,
                "images to encode": cost.num_images,
                "an image": size_text(cost.bytes_per_image),
                "disk": size_text(cost.num_bytes),
                "time": duration_text(cost.encoding_seconds) + (" in every epoch" if cost.form == "live" else ""),
            }
            for cost in self.costs
        ]

    def note(self) -> str:
        """What the table is about."""
        about = "" if self.is_counted else "about "
        return f"features of {about}{self.num_images} images, {self.num_cached} of them cached"


def plan_features(config: ExperimentConfig, *, store: ArtifactStore) -> FeaturePlan:
    """Count the images and those that have no features yet."""
    datasets = _prepared(config, store)
    num_cached: dict[str, int] = {}
    if datasets is not None:
        images = set(ImageReader(datasets).usable())
        num_images = len(images)
        num_cached = {form: len(images & _cached(config, form, store)) for form in STORAGE_FORMATS}
    else:
        sizes = training_data_sizes(config, store=store)
        num_images = sum(size.num_images for size in sizes.values())
    costs = form_costs(config.vision_tower, config.features, num_images=num_images, num_cached=num_cached)
    form = config.features.form
    return FeaturePlan(num_images, num_cached.get(form, 0), datasets is not None, form, tuple(costs))


def require_space_for(config: ExperimentConfig, *, store: ArtifactStore) -> None:
    """Stop before a run whose features the disk cannot hold.

    Raises:
        StoreError: with what is needed, what is free, and what to do.
        ConfigError: a scale is not a multiple of the tower's tiles.
    """
    form = config.features.form
    datasets = _prepared(config, store)
    if form == "live":
        return
    if datasets is not None:
        num_images = len(set(ImageReader(datasets).usable()) - _cached(config, form, store))
    else:
        num_images = sum(size.num_images for size in training_data_sizes(config, store=store).values())
    require_space(config.vision_tower, config.features, num_images=num_images, root=store.root)


def _prepared(config: ExperimentConfig, store: ArtifactStore) -> list[Manifest] | None:
    steps = {step.role: step for step in plan_experiment(config)}
    found = [store.find(steps[f"dataset/{role}"].request) for role in ("pretrain", "finetune")]
    return None if None in found else [manifest for manifest in found if manifest is not None]


def _cached(config: ExperimentConfig, form: StorageFormat, store: ArtifactStore) -> set[str]:
    """The images that have features of the experiment's encoder in one of the forms."""
    changed = config.model_copy(update={"features": config.features.model_copy(update={"form": form})})
    steps = {step.role: step for step in plan_experiment(changed)}
    calibration = store.find(steps["calibration"].request) if "calibration" in steps else None
    if "calibration" in steps and calibration is None:
        return set()
    encoder = encoder_description(changed.vision_tower, changed.features)
    return {key for shard in shards_of(store, encoder, calibration=calibration) for key in encoded_images(shard)}
