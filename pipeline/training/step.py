"""Step: one training stage. The work runs in worker processes, one per device."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from model.config import AttentionName, ImageConfig, LlmConfig, Stage, VisionTowerConfig
from pipeline.compute.launch import launch
from pipeline.config.experiment import StageConfig
from pipeline.config.identity import identity
from pipeline.core.settings import Offload, Settings, load_settings
from pipeline.store.artifacts import WORK_FOLDER, ArtifactStore, write_text
from pipeline.store.manifest import Manifest, Record, Request
from pipeline.training.checkpoints.resume import find_start

log = logging.getLogger(__name__)

VERSION = 1  # raise when the same request should give a different result

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


class TrainingJob(Record):
    """Everything a worker needs, as a file: ``python -m pipeline.compute.worker job.json`` runs it by hand as well."""

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
    checkpoint: Path | None
    """Of an earlier run; this one goes on from it."""
    universal: Path | None
    """Its universal form, where other processes made it."""


def stage_request(stage: Stage, config: StageConfig, llm: LlmConfig, *, inputs: Mapping[str, str]) -> Request:
    """What ``train_stage`` is asked to make.

    ``inputs``: fingerprints of dataset, accepted, features and, in finetuning, projector.
    """
    described = {"stage": identity(config), "llm": identity(llm)}
    return Request(step=stage, version=VERSION, config=described, inputs=dict(inputs))


def zero_stage_of(config: StageConfig, settings: Settings) -> int:
    """ZeRO stage of a training: in bfloat16 at least 1, since stage 0 of DeepSpeed would add gradients in bfloat16."""
    return max(settings.effective_zero_stage, int(config.precision == "bfloat16"))


def train_stage(
    stage: Stage,
    config: StageConfig,
    llm: LlmConfig,
    vision_tower: VisionTowerConfig,
    images: ImageConfig,
    *,
    inputs: Mapping[str, Manifest],
    store: ArtifactStore,
) -> Manifest:
    """Train the projector (``pretrain``: ``projector.safetensors``) or projector and LLM (``finetune``: a folder).

    ``vision_tower`` and ``images`` are those of the features; they are part of the features' fingerprint.
    """
    fingerprints = {role: manifest.fingerprint for role, manifest in inputs.items()}
    request = stage_request(stage, config, llm, inputs=fingerprints)

    def work(directory: Path) -> dict[str, Any]:
        settings = load_settings()
        folder = directory / WORK_FOLDER
        folder.mkdir(exist_ok=True)
        num_processes = sum(host.num_slots for host in settings.training_hosts)
        zero_stage = zero_stage_of(config, settings)
        checkpoint, universal = find_start(directory, num_processes=num_processes, zero_stage=zero_stage)
        start = inputs["projector"].directory if "projector" in inputs else None
        job = TrainingJob(
            stage=stage,
            config=config,
            vision_tower=vision_tower,
            images=images,
            llm=llm,
            dataset=inputs["dataset"].directory,
            accepted=inputs["accepted"].directory,
            features=inputs["features"].directory,
            start=start,
            directory=directory,
            zero_stage=zero_stage,
            offload=settings.offload,
            attention=settings.attention,
            checkpoint_every=settings.checkpoint_every,
            keep_checkpoints=settings.keep_checkpoints,
            checkpoint=checkpoint,
            universal=universal,
        )
        write_text(folder / "job.json", job.model_dump_json(indent=2))
        launch(folder / "job.json", hosts=settings.training_hosts, master_port=settings.master_port)
        summary: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        return summary

    return store.produce(request, work)
