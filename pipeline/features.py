"""Step: the frozen tower's features of every usable image, each encoded once, in Parquet shards."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.config import VisionTowerConfig
from pipeline.config import FeatureConfig
from pipeline.identity import identity
from pipeline.images import ImageReader
from pipeline.manifest import Manifest, Request
from pipeline.store import ArtifactStore

VERSION = 1  # raise when the same request should give a different result


def features_request(
    tower: VisionTowerConfig, config: FeatureConfig, *, dataset_fingerprints: Mapping[str, str]
) -> Request:
    """What ``cache_features`` is asked to make; the datasets by role."""
    return Request(
        step="features",
        version=VERSION,
        config={"vision_tower": identity(tower), "features": identity(config)},
        inputs=dict(dataset_fingerprints),
    )


def cache_features(
    tower: VisionTowerConfig, config: FeatureConfig, *, datasets: Mapping[str, Manifest], store: ArtifactStore
) -> Manifest:
    """Encode every image of the datasets once. Finished shards of an interrupted call are kept."""
    fingerprints = {role: dataset.fingerprint for role, dataset in datasets.items()}
    request = features_request(tower, config, dataset_fingerprints=fingerprints)

    def work(directory: Path) -> dict[str, Any]:
        from pipeline.encoding import encode_all  # torch is loaded only when there is work

        return encode_all(tower, config, ImageReader(datasets.values()), directory)

    return store.produce(request, work)
