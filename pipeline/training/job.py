"""What the processes of a training stage are told, and the tables that they write."""

from pathlib import Path
from typing import Literal

import pyarrow as pa

from model.config import AttentionName, ImageConfig, LlmConfig, Stage, VisionTowerConfig
from pipeline.config.experiment import StageConfig
from pipeline.core.settings import Offload
from pipeline.store.manifest import Record, Summary

METRIC_SCHEMA = pa.schema(
    [
        pa.field("optimizer_step", pa.int64(), nullable=False),
        pa.field("loss", pa.float64(), nullable=False),
        pa.field("learning_rate", pa.float64(), nullable=False),
        pa.field("gradient_norm", pa.float64(), nullable=False),
        pa.field("num_samples", pa.int64(), nullable=False),
        pa.field("num_supervised_tokens", pa.int64(), nullable=False),
        pa.field("num_tokens", pa.int64(), nullable=False),
        pa.field("num_padded_tokens", pa.int64(), nullable=False),
        pa.field("model_flops", pa.float64(), nullable=False),
    ]
)


HELD_OUT_SCHEMA = pa.schema(
    [
        pa.field("optimizer_step", pa.int64(), nullable=False),
        pa.field("held_out_loss", pa.float64(), nullable=False),
        pa.field("num_supervised_tokens", pa.int64(), nullable=False),
    ]
)


ANSWER_SCHEMA = pa.schema(
    [
        pa.field("optimizer_step", pa.int64(), nullable=False),
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("image_sha256", pa.string()),
        pa.field("question", pa.string(), nullable=False),
        pa.field("reference", pa.string(), nullable=False),
        pa.field("answer", pa.string(), nullable=False),
    ]
)


class StageSummary(Summary):
    """The figures of a finished stage."""

    num_optimizer_steps: int
    first_loss: float
    final_loss: float
    first_held_out_loss: float | None = None
    final_held_out_loss: float | None = None
    """None where no sample was held out."""
    num_samples: int
    num_trained_on: int
    num_held_out: int
    num_without_features: int
    num_too_long: int
    num_without_supervision: int
    num_not_in_template: int
    num_shortened: int
    num_tokens: int
    num_parameters: int
    num_trained_parameters: int
    num_processes: int


class TrainingJob(Record):
    """Everything a worker needs, as a file; by hand: ``python -P -m pipeline.compute.worker job.json``."""

    entry: Literal["pipeline.training.work"] = "pipeline.training.work"
    kind: Literal["train"] = "train"
    stage: Stage
    config: StageConfig
    vision_tower: VisionTowerConfig
    images: ImageConfig
    llm: LlmConfig
    dataset: Path
    accepted: Path
    features: Path
    start: Path | None
    """Artifact of the stage before, whose projector this one starts from."""
    directory: Path
    """The partial directory that the result is written to."""
    zero_stage: int
    offload: Offload = "none"
    attention: AttentionName = "sdpa"
    checkpoint_every: int
    keep_checkpoints: int
    check_features: Literal["first", "always", "never"] = "first"
    num_readers: int = 4
    seconds_to_stop: float
    """Time to save when it is asked to stop."""
    checkpoint: Path | None
    """Of an earlier run; this one goes on from it."""
    universal: Path | None
    """Its universal form, where other processes made it."""
