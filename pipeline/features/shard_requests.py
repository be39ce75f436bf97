"""What feature shards are asked for and filed under: an encoder and a list of images, never a dataset.

So an image in ten samples, two datasets or two experiments is encoded once for all of them.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from model.config import VisionTowerConfig
from pipeline.config.experiment import FeatureConfig
from pipeline.config.identity import Identities
from pipeline.core.errors import StoreError
from pipeline.core.hashing import sha256_of_json
from pipeline.features.shard_index import INDEX_FILE, read_rows
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import FINGERPRINT_LENGTH, Manifest, Request, library_versions

STEP = "feature_shard"
VERSION = 1  # raise when the same request should give a different result


def encoder_description(tower: VisionTowerConfig, config: FeatureConfig, identities: Identities) -> dict[str, Any]:
    """Everything that decides what an image's features are; ``images_per_shard`` does not."""
    return {
        "vision_tower": identities.of(tower),
        "feature_layer": -2,
        "preprocessing": "RGB, upright, Pillow bicubic to a square (width first), normalised as the tower was trained",
        "image_size": config.image_size,
        "scales": list(config.scales),
        "layout": config.layout,
        "form": config.form,
    }


def encoder_fingerprint(encoder: Mapping[str, Any]) -> str:
    """A short name of an encoder, for tables."""
    return sha256_of_json(dict(encoder))[:FINGERPRINT_LENGTH]


def shard_request(encoder: dict[str, Any], keys: Sequence[str], *, calibration: Manifest | None) -> Request:
    """What one shard is asked to hold; ``keys`` are the sha256 of its images in order."""
    config = {
        "encoder": encoder,
        "encoder_fingerprint": encoder_fingerprint(encoder),
        "images_sha256": digest_of(keys),
    }
    inputs = {} if calibration is None else {"calibration": calibration.fingerprint}
    return Request(step=STEP, version=VERSION, config=config, inputs=inputs)


def shards_of(store: ArtifactStore, encoder: dict[str, Any], *, calibration: Manifest | None) -> Iterator[Manifest]:
    """The published shards of an encoder."""
    example = shard_request(encoder, (), calibration=calibration)
    for manifest in store.manifests(STEP):
        request = manifest.request
        is_same = request.version == VERSION and request.config["encoder"] == example.config["encoder"]
        if is_same and request.inputs == example.inputs:
            yield manifest


PIXEL_LIBRARIES = ("pillow", "torch", "transformers")
"""They decode and encode. Another version may give other bits: a cache that is added to says so."""


def other_libraries(shards: Iterable[Manifest]) -> dict[str, list[str]]:
    """Versions that made some of these shards and are not the ones in use, by library."""
    here = library_versions()
    seen = {name: {shard.versions.get(name, "an unknown version") for shard in shards} for name in PIXEL_LIBRARIES}
    return {name: sorted(versions - {here[name]}) for name, versions in seen.items() if versions - {here[name]}}


def encoded_images(shard: Manifest) -> list[str]:
    """The images of a shard that have features."""
    keys: list[str] = read_rows(shard.directory, ["image_sha256"], status="ok")["image_sha256"].to_pylist()
    return keys


def failed_images(shard: Manifest) -> dict[str, str]:
    """The images of a shard that have none, and why."""
    rows = read_rows(shard.directory, ["image_sha256", "reason"], status="failed").to_pylist()
    return {row["image_sha256"]: row["reason"] for row in rows}


def listed_images(shard: Manifest) -> list[str]:
    """The images that a shard was asked to hold, in order.

    Raises:
        StoreError: the index was damaged.
    """
    keys = sorted(read_rows(shard.directory, ["image_sha256"])["image_sha256"].to_pylist())
    if digest_of(keys) != shard.request.config["images_sha256"]:
        raise StoreError(f"{shard.path(INDEX_FILE)} does not list the images that the shard was asked for")
    return keys


def digest_of(keys: Sequence[str]) -> str:
    """sha256 of a list of images."""
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()
