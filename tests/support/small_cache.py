"""Feature caches that can be checked by hand: the project's own steps, with an encoder that gives what a test says."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from model.config import RandomVisionTower, VisionTowerConfig
from pipeline.config.experiment import FeatureConfig
from pipeline.core.parquet import write_rows
from pipeline.features.cache import read_shards
from pipeline.features.calibration import CALIBRATION_FILE, CALIBRATION_SCHEMA
from pipeline.features.shard_requests import shard_request
from pipeline.features.shards import FailedImage, write_shard
from pipeline.features.step import cache_features, calibrate_features
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest
from tests.support.small_shards import RMS, SHAPE, encoded_features

TOWER = VisionTowerConfig(
    weights=RandomVisionTower(
        kind="random",
        tile_size=16,
        patch_size=8,
        hidden_size=4,
        intermediate_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
    ),
    dtype="float32",
)
CONFIG = FeatureConfig(image_size=32, scales=(1.0, 0.5), images_per_shard=8)


def publish_features(
    store: ArtifactStore,
    dataset: Manifest,
    *,
    norms: Mapping[str, float] | None = None,
    failed: Mapping[str, str] | None = None,
    calibration: Manifest | None = None,
    **changes: object,
) -> Manifest:
    """Features of a dataset, 48 bytes an image and scale.

    Args:
        norms: length of every feature vector of an image, by its sha256; 1 for others.
        failed: why an image cannot be encoded, by its sha256.
        calibration: what int8 needs.
        changes: fields of the features section.
    """
    config = CONFIG.model_copy(update=changes)
    shape = replace(SHAPE, form=config.form)

    def encode(job_file: Path) -> None:
        job = json.loads(job_file.read_text(encoding="utf-8"))
        for keys in read_shards(Path(job["shards"])).values():
            request = shard_request(job["encoder"], keys, calibration=calibration)
            store.produce(request, lambda directory, keys=keys: _shard(directory, keys, job["encoder"]))

    def _shard(directory: Path, keys: tuple[str, ...], encoder: dict) -> dict:
        good = [key for key in keys if key not in (failed or {})]
        features = torch.zeros(len(good), shape.num_scales, shape.num_tokens, shape.width)
        for number, key in enumerate(good):
            features[number, :, :, 0] = (norms or {}).get(key, 1.0)
        failures = [FailedImage(key, failed[key]) for key in keys if key not in good]
        batch = encoded_features(good, features, shape, failures)
        rms = RMS if shape.form == "int8" else None
        counts = write_shard(directory, [batch], shape=shape, encoder=encoder, channel_rms_SV=rms)
        return {**counts.stored(), **shape.to_json(), "dataset": dataset.fingerprint}

    return cache_features(TOWER, config, dataset=dataset, calibration=calibration, store=store, run_job=encode)


def publish_calibration(store: ArtifactStore, dataset: Manifest) -> Manifest:
    """The channel RMS of ``small_shards``."""

    def calibrate(job_file: Path) -> None:
        rows = [
            {"scale_index": scale, "image_side": side, "channel": channel, "rms": float(RMS[scale, channel])}
            for scale, side in enumerate(SHAPE.sides)
            for channel in range(SHAPE.width)
        ]
        write_rows(job_file.parents[1] / CALIBRATION_FILE, rows, schema=CALIBRATION_SCHEMA)
        (job_file.parent / "summary.json").write_text('{"num_images": 1, "num_channels": 6}')

    return calibrate_features(TOWER, CONFIG, dataset=dataset, store=store, run_job=calibrate)


def damage(store: ArtifactStore, step: str, name: str, change: Callable[[list[dict]], object]) -> None:
    """Change the rows of a file of the only artifact of a step, as no run would do it."""
    (path,) = (store.root / "artifacts" / step).glob(f"*/{name}")
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def miscount(store: ArtifactStore, step: str, **counts: int) -> None:
    """Change the summary of the only artifact of a step."""
    (path,) = (store.root / "artifacts" / step).glob("*/manifest.json")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["summary"] |= counts
    path.write_text(json.dumps(manifest), encoding="utf-8")
