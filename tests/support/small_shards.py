"""Feature shards with features that can be written down by hand."""

from collections.abc import Sequence
from pathlib import Path

import torch

from pipeline.features.shards import EncodedImages, FailedImage, write_shard
from pipeline.features.storage import FeatureShape, pack
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest, Request

SHAPE = FeatureShape(sides=(32, 16), num_tokens=4, width=3, dtype="float32", form="exact")
RMS = torch.tensor([[100.0, 110.0, 90.0], [120.0, 110.0, 100.0]])


def key(number: int) -> str:
    """The sha256 of an image that does not exist."""
    return f"{number:064x}"


def features(number: int, shape: FeatureShape = SHAPE) -> torch.Tensor:
    """``[S, T, V]``, counting upwards from 100 times the number."""
    size = (shape.num_scales, shape.num_tokens, shape.width)
    values = torch.arange(float(torch.Size(size).numel())).reshape(size) + 100 * number
    return values.to(getattr(torch, shape.dtype))


def encoded(numbers: Sequence[int], shape: FeatureShape = SHAPE, failures: Sequence[FailedImage] = ()) -> EncodedImages:
    """A batch of images as the encoder gives it."""
    size = (0, shape.num_scales, shape.num_tokens, shape.width)
    stacked = torch.stack([features(number, shape) for number in numbers]) if numbers else torch.zeros(size)
    return encoded_features(list(map(key, numbers)), stacked, shape, failures)


def encoded_features(
    keys: Sequence[str],
    features_BSTV: torch.Tensor,
    shape: FeatureShape = SHAPE,
    failures: Sequence[FailedImage] = (),
) -> EncodedImages:
    """The same for any features."""
    norms = features_BSTV.float().norm(dim=-1)
    return EncodedImages(
        keys=tuple(keys),
        source_sizes=((640, 480),) * len(keys),
        payloads_BSP=pack(features_BSTV, shape, RMS if shape.form == "int8" else None),
        mean_norms_BS=norms.mean(dim=-1),
        max_norms_BS=norms.amax(dim=-1),
        is_finite_B=features_BSTV.isfinite().flatten(1).all(dim=-1),
        failures=tuple(failures),
    )


def publish_shard(store: ArtifactStore, batches: Sequence[EncodedImages], shape: FeatureShape = SHAPE) -> Manifest:
    """A shard in the store."""

    def work(directory: Path) -> dict:
        rms = RMS if shape.form == "int8" else None
        return write_shard(directory, iter(batches), shape=shape, encoder={"name": "test"}, channel_rms_SV=rms)

    images = [image for batch in batches for image in batch.keys]
    return store.produce(Request(step="feature_shard", version=1, config={"images": images}), work)


def publish_features(store: ArtifactStore, shards: Sequence[Manifest]) -> Manifest:
    """A features artifact over some shards."""
    parts = [f"feature_shard/{shard.fingerprint}" for shard in shards]
    request = Request(step="features", version=1, config={"parts": parts})
    return store.produce(request, lambda directory: {"form": "exact", "parts": parts})
