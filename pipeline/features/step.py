"""Step: the frozen tower's features of every usable image of a dataset; and the calibration that ``int8`` needs.

Each image is encoded once for an encoder, whoever asks: the features lie in shards, artifacts of their own that are
filed under encoder and images (``pipeline.features.shard_requests``). What this step publishes says which shard holds
which image; see ``pipeline.features.cache``.
"""

import os
import shutil
import socket
from pathlib import Path

from model.config import VisionTowerConfig
from pipeline.config.experiment import FeatureConfig
from pipeline.config.identity import Identities
from pipeline.core.disk import explaining_full_disk
from pipeline.core.errors import DataError
from pipeline.core.files import write_text
from pipeline.core.settings import Settings
from pipeline.features.cache import Filling, RunJob
from pipeline.features.summaries import CalibrationSummary, FeaturesSummary
from pipeline.store.artifacts import WORK_FOLDER, ArtifactStore
from pipeline.store.manifest import Manifest, Request

VERSION = 3  # raise when the same request should give a different result
CALIBRATION_VERSION = 2


def on_this_machine(settings: Settings) -> RunJob:
    """What runs a job on the devices of this machine."""

    def run(job_file: Path) -> None:
        from pipeline.features.run import run_feature_job  # torch is loaded only when there is work

        run_feature_job(job_file, settings=settings)

    return run


def calibration_request(
    tower: VisionTowerConfig, config: FeatureConfig, identities: Identities, *, dataset_fingerprint: str
) -> Request:
    """What ``calibrate_features`` is asked to make."""
    images = {"image_size": config.image_size, "scales": list(config.scales), "layout": config.layout}
    return Request(
        step="feature_calibration",
        version=CALIBRATION_VERSION,
        config={"vision_tower": identities.of(tower), "images": images},
        inputs={"dataset": dataset_fingerprint},
    )


def calibrate_features(
    tower: VisionTowerConfig,
    config: FeatureConfig,
    *,
    dataset: Manifest,
    store: ArtifactStore,
    run_job: RunJob,
) -> Manifest:
    """Measure the RMS of every channel on some images of a dataset; see ``pipeline.features.calibration``."""

    def work(directory: Path) -> CalibrationSummary:
        from pipeline.features.calibration import CalibrationJob  # torch is loaded only when there is work

        folder = directory / WORK_FOLDER
        folder.mkdir(exist_ok=True)
        job = CalibrationJob(
            vision_tower=tower,
            features=config,
            dataset=dataset.directory,
            directory=directory,
        )
        write_text(folder / "job.json", job.model_dump_json(indent=2))
        run_job(folder / "job.json")
        return CalibrationSummary.model_validate_json((folder / "summary.json").read_text(encoding="utf-8"))

    request = calibration_request(tower, config, Identities(store.root), dataset_fingerprint=dataset.fingerprint)
    return store.produce(request, work)


def features_request(
    tower: VisionTowerConfig,
    config: FeatureConfig,
    identities: Identities,
    *,
    dataset_fingerprint: str,
    calibration_fingerprint: str | None,
) -> Request:
    """What ``cache_features`` is asked to make."""
    inputs = {"dataset": dataset_fingerprint}
    if calibration_fingerprint is not None:
        inputs["calibration"] = calibration_fingerprint
    sections = {"vision_tower": identities.of(tower), "features": identities.of(config)}
    return Request(step="features", version=VERSION, config=sections, inputs=inputs)


def cache_features(
    tower: VisionTowerConfig,
    config: FeatureConfig,
    *,
    dataset: Manifest,
    calibration: Manifest | None = None,
    store: ArtifactStore,
    run_job: RunJob,
) -> Manifest:
    """Encode the images of a dataset that have no features yet. Finished shards of an interrupted call are kept.

    When shards of a finished artifact have been lost or discarded, just these are made again.

    Raises:
        StoreError: the disk cannot hold the features; nothing was encoded.
        DataError: a lost shard needs a dataset that is not in the store any more.
    """
    request = features_request(
        tower,
        config,
        Identities(store.root),
        dataset_fingerprint=dataset.fingerprint,
        calibration_fingerprint=calibration.fingerprint if calibration else None,
    )
    filling = Filling(tower, config, calibration, store, run_job)
    if (finished := store.find(request)) and store.missing_parts(finished):
        if filling.restore(finished):
            return finished
        store.discard(finished)  # it says of some images what is not true any more
    return store.produce(request, lambda directory: filling.fill(dataset, directory))


def encode_share(
    tower: VisionTowerConfig,
    config: FeatureConfig,
    *,
    dataset: Manifest,
    calibration: Manifest | None = None,
    store: ArtifactStore,
    part: int,
    num_parts: int,
    run_job: RunJob,
) -> tuple[int, int]:
    """Encode one of ``num_parts`` parts of what a dataset lacks, while other machines encode the others.

    Nothing is published but shards: ``cache_features`` finds them afterwards. ``part`` is counted from 0. Returns the
    number of images that were missing in this part and in all.

    Raises:
        StoreError: the store cannot be written, or the disk cannot hold the features.
    """
    own = f"encode-{part}-of-{num_parts}-{dataset.fingerprint}-{socket.gethostname()}-{os.getpid()}"
    folder = store.root / "partial" / "encode" / own
    with explaining_full_disk("encode", store.root):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        filling = Filling(tower, config, calibration, store, run_job)
        return filling.encode_share(dataset, folder, part=part, num_parts=num_parts)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def feature_counts(features: Manifest) -> dict[str, object]:
    """Images, failures, shards and bytes of some features, for a table."""
    shown = {"encoder", "num_images", "num_failed", "num_shards", "payload_bytes"}
    return FeaturesSummary.of(features).model_dump(include=shown)


def require_features(features: Manifest, *, name: str, max_failed_fraction: float) -> None:
    """Stop when too many images have no features.

    Raises:
        DataError: more than ``max_failed_fraction`` of them, or features of any are infinite or not numbers.
    """
    summary = FeaturesSummary.of(features)
    if summary.num_not_finite:
        raise DataError(
            f"the features of {summary.num_not_finite} images of {name} or of others in the same shards are infinite "
            "or not numbers; `llava-jp query feature_outliers` lists them. float16 overflows: "
            "vision_tower.dtype=bfloat16 does not"
        )
    num_failed, num_images = summary.num_failed, summary.num_images
    if num_failed > max_failed_fraction * max(num_failed + num_images, 1):
        raise DataError(
            f"{num_failed} of {num_failed + num_images} images of {name} could not be encoded, more than the allowed "
            f"{100 * max_failed_fraction:g} %; `llava-jp query feature_failures_by_reason` says why. Bring the images "
            f"back and run `llava-jp discard {features.fingerprint}`, then the experiment again"
        )
