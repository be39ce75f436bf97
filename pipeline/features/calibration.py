"""Step: the RMS of every feature channel, which ``int8`` features are divided by.

From the first images of the experiment's pretraining data in the order of their sha256, which is as good as random. It
is part of the fingerprint of every shard made with it.
"""

from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from model.config import VisionTowerConfig
from model.vision.tower import build_vision_tower
from pipeline.config.experiment import FeatureConfig
from pipeline.core.errors import DataError
from pipeline.core.parquet import write_rows
from pipeline.data.image_reader import ImageReader
from pipeline.features.encoder import BatchesOfShards, decoded_batches, default_device
from pipeline.features.summaries import CalibrationSummary
from pipeline.store.artifacts import read_manifest
from pipeline.store.manifest import Record

NUM_IMAGES = 256
SMALLEST_FRACTION = 0.01
"""Of the median channel's RMS: no channel counts as quieter."""
CALIBRATION_FILE = "channel_rms.parquet"

CALIBRATION_SCHEMA = pa.schema(
    [
        pa.field("scale_index", pa.int32(), nullable=False),
        pa.field("image_side", pa.int32(), nullable=False),
        pa.field("channel", pa.int32(), nullable=False),
        pa.field("rms", pa.float32(), nullable=False),
    ]
)


class CalibrationJob(Record):
    """Everything a worker needs, as a file."""

    entry: Literal["pipeline.features.run"] = "pipeline.features.run"
    kind: Literal["calibrate"] = "calibrate"
    vision_tower: VisionTowerConfig
    features: FeatureConfig
    dataset: Path
    directory: Path
    """The partial directory that the result is written to."""


def calibrate(job: CalibrationJob, *, num_decoders: int) -> CalibrationSummary:
    """Write ``channel_rms.parquet``.

    Raises:
        DataError: no image could be decoded, or the features are not finite.
    """
    images = ImageReader([read_manifest(job.dataset)])
    tower = build_vision_tower(job.vision_tower).to(default_device())
    batches = BatchesOfShards(images, [images.usable()[:NUM_IMAGES]], image_size=job.features.image_size)
    squares = torch.zeros(len(job.features.scales), tower.width, dtype=torch.float64)
    num_images = num_tokens = 0
    for batch in decoded_batches(batches, image_size=job.features.image_size, num_decoders=num_decoders):
        if not batch.keys:
            continue
        features_BSTV = tower.encode(batch.pixels_B3HW, job.features)
        squares += features_BSTV.double().square().sum(dim=(0, 2)).cpu()
        num_images += len(batch.keys)
        num_tokens += features_BSTV.shape[0] * features_BSTV.shape[2]
    if not num_images:
        raise DataError(f"{job.dataset}: no image can be decoded, so int8 features cannot be calibrated")
    measured = (squares / num_tokens).sqrt()
    if not measured.isfinite().all():
        raise DataError(f"{job.dataset}: features are infinite or not numbers, so int8 cannot be calibrated")
    # A channel that is quiet here and not elsewhere would own the scales of other images.
    floor = SMALLEST_FRACTION * measured.median(dim=1, keepdim=True).values
    rms = torch.where(floor > 0, measured.maximum(floor), torch.where(measured > 0, measured, 1.0)).tolist()
    rows = [
        {"scale_index": index, "image_side": side, "channel": channel, "rms": value}
        for index, (side, scale) in enumerate(zip(job.features.sides, rms, strict=True))
        for channel, value in enumerate(scale)
    ]
    write_rows(job.directory / CALIBRATION_FILE, rows, schema=CALIBRATION_SCHEMA)
    return CalibrationSummary(num_images=num_images, num_channels=len(rows))


def read_calibration(directory: Path) -> torch.Tensor:
    """The channel RMS of a calibration, float32 ``[S, V]``."""
    table = pq.read_table(directory / CALIBRATION_FILE)
    num_scales = table["scale_index"].to_numpy().max() + 1
    return torch.from_numpy(table["rms"].to_numpy().copy()).reshape(num_scales, -1)
