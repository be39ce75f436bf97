"""The cached features of one image, for people who know the image and no fingerprints.

python -c 'from pipeline.features.lookup import feature_map; print(feature_map("3f9a").float().numpy())'
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from pipeline.core.errors import DataError
from pipeline.core.settings import load_settings
from pipeline.features.cache import IMAGES_FILE
from pipeline.features.reader import FeatureReader
from pipeline.features.summaries import FeaturesSummary
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest

FIRST_DIGITS = re.compile("[0-9a-f]{1,64}")
MAX_LISTED = 10
"""Images that an error message names."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an artifact of features says that an image is."""

    features: Manifest
    image_sha256: str
    status: str
    shard: str | None
    reason: str | None

    @property
    def encoder(self) -> tuple[str, str | None]:
        """What encoded the image: the encoder's short name, and the calibration of int8."""
        return FeaturesSummary.of(self.features).encoder, self.features.request.inputs.get("calibration")

    def described(self) -> str:
        config, tower = (self.features.request.config[name] for name in ("features", "vision_tower"))
        encoder, calibration = self.encoder
        sides = ", ".join(f"{config['image_size'] * scale:g}" for scale in config["scales"])
        parts = [
            tower["weights"].get("id", f"{tower['weights']['kind']} tower"),
            tower["dtype"],
            config["form"],
            config["layout"],
            f"sides {sides} px",
            *([f"calibration {calibration}"] if calibration else []),
        ]
        return f"{encoder}  {', '.join(parts)} (features {self.features.fingerprint}: {self.status})"


def feature_map(image_sha256: str, *, encoder: str | None = None, store_root: Path | str | None = None) -> torch.Tensor:
    """One image's cached features, ``[S, T, V]``: S2 scales, vision tokens, channels.

    Args:
        image_sha256: the sha256 of the image's bytes, or its first digits.
        encoder: which features, when there are several of this image: the first digits of an encoder's name, of a
            calibration, or of an artifact of features.
        store_root: the store; by default the one of this machine's settings.

    Raises:
        DataError: no image or more than one is meant, it is not cached, or several encoders encoded it.
        StoreError: the stored bytes are damaged or lost.
    """
    root = load_settings().store_root if store_root is None else Path(store_root)
    if not FIRST_DIGITS.fullmatch(image_sha256):
        raise DataError(f"{image_sha256!r} is no sha256 of an image nor its first digits: digits 0-9 and a-f, up to 64")
    places = _one_image(_places(image_sha256, root), image_sha256, root)
    chosen = [place for place in places if encoder is None or _is_meant(place, encoder)]
    cached = [place for place in chosen if place.status == "ok"]
    if not cached:
        raise DataError(_not_cached(places, chosen, encoder))
    if len({place.encoder for place in cached}) > 1:
        raise DataError(
            f"image {cached[0].image_sha256} was encoded in several ways; choose one with encoder='…', the first "
            f"digits of any name here:\n{_listed(cached)}"
        )
    place = cached[0]
    assert place.shard is not None
    with FeatureReader(place.features.directory, num_threads=1, shards=[place.shard]) as reader:
        return reader.read(place.image_sha256)


def _places(prefix: str, root: Path) -> list[_Place]:
    """All that the artifacts of features say of the images whose sha256 begins so."""
    places = []
    for features in ArtifactStore(root).manifests("features"):
        if (features.directory / IMAGES_FILE).exists():
            # the column is sorted, so only the row groups around the prefix are read
            is_near = (pc.field("image_sha256") >= prefix) & (pc.field("image_sha256") < prefix + "g")
            table: pa.Table = pq.read_table(features.path(IMAGES_FILE), filters=is_near)
            rows: list[dict[str, Any]] = table.to_pylist()
            places += [_Place(features=features, **row) for row in rows]
    return places


def _one_image(places: Sequence[_Place], prefix: str, root: Path) -> Sequence[_Place]:
    images = sorted({place.image_sha256 for place in places})
    if not images:
        raise DataError(
            f"no image whose sha256 begins with {prefix} has features in {root}; `llava-jp query cache_coverage` "
            "shows what is there, and the view images which sha256 an image has"
        )
    if len(images) > 1:
        more = f"\n  and {len(images) - MAX_LISTED} more" if len(images) > MAX_LISTED else ""
        lines = "\n".join(f"  {image}" for image in images[:MAX_LISTED])
        raise DataError(
            f"{len(images)} images have a sha256 that begins with {prefix}; give more digits:\n{lines}{more}"
        )
    return places


def _is_meant(place: _Place, encoder: str) -> bool:
    names = (*place.encoder, place.features.fingerprint)
    return any(name is not None and name.startswith(encoder) for name in names)


def _not_cached(places: Sequence[_Place], chosen: Sequence[_Place], encoder: str | None) -> str:
    image = places[0].image_sha256
    if not chosen:
        return f"no features of image {image} are of encoder {encoder!r}; there are:\n{_listed(places)}"
    if failed := [place for place in chosen if place.status == "failed"]:
        return f"image {image} has no features: {failed[0].reason}"
    return (
        f"the features of image {image} are live: the trainer encodes it, and nothing is cached. "
        "Run an experiment with features.form=exact to cache them"
    )


def _listed(places: Sequence[_Place]) -> str:
    return "\n".join(f"  {line}" for line in sorted({place.described() for place in places}))
