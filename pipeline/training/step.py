"""Step: one training stage. The work runs in worker processes, one per device."""

import logging
from collections.abc import Mapping
from pathlib import Path

from model.config import ImageConfig, LlmConfig, Stage, VisionTowerConfig
from pipeline.compute.hosts import training_hosts
from pipeline.compute.launch import launch
from pipeline.config.experiment import StageConfig
from pipeline.config.identity import Identities
from pipeline.core.files import write_text
from pipeline.core.settings import Settings
from pipeline.store.artifacts import WORK_FOLDER, ArtifactStore
from pipeline.store.manifest import Manifest, Request
from pipeline.training.checkpoints.resume import find_start
from pipeline.training.job import StageSummary, TrainingJob

log = logging.getLogger(__name__)

VERSION = 1  # raise when the same request should give a different result


def stage_request(
    stage: Stage, config: StageConfig, llm: LlmConfig, identities: Identities, *, inputs: Mapping[str, str]
) -> Request:
    """What ``train_stage`` is asked to make.

    ``inputs``: fingerprints of dataset, accepted, features and, in finetuning, projector.
    """
    described = {"stage": identities.of(config), "llm": identities.of(llm)}
    return Request(step=stage, version=VERSION, config=described, inputs=dict(inputs))


def zero_stage_of(config: StageConfig, settings: Settings) -> int:
    """DeepSpeed's ZeRO stage; the least that the number of processes and the offloading need, unless it is set.

    In bfloat16 at least 1, since stage 0 of DeepSpeed would add gradients in bfloat16.
    """
    is_alone = sum(host.num_slots for host in training_hosts(settings)) == 1
    needed = {"none": 0 if is_alone else 2, "optimizer": 2, "all": 3}[settings.offload]
    stage = needed if settings.zero_stage is None else settings.zero_stage
    return max(stage, int(config.precision == "bfloat16"))


def train_stage(
    stage: Stage,
    config: StageConfig,
    llm: LlmConfig,
    vision_tower: VisionTowerConfig,
    images: ImageConfig,
    *,
    inputs: Mapping[str, Manifest],
    store: ArtifactStore,
    settings: Settings,
) -> Manifest:
    """Train the projector (``pretrain``: ``projector.safetensors``) or projector and LLM (``finetune``: a folder).

    ``vision_tower`` and ``images`` are those of the features; they are part of the features' fingerprint.
    """
    fingerprints = {role: manifest.fingerprint for role, manifest in inputs.items()}
    request = stage_request(stage, config, llm, Identities(store.root), inputs=fingerprints)

    def work(directory: Path) -> StageSummary:
        folder = directory / WORK_FOLDER
        folder.mkdir(exist_ok=True)
        hosts = training_hosts(settings)
        num_processes = sum(host.num_slots for host in hosts)
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
            check_features=settings.check_features,
            num_readers=settings.num_readers,
            seconds_to_stop=settings.seconds_to_stop,
            checkpoint=checkpoint,
            universal=universal,
        )
        write_text(folder / "job.json", job.model_dump_json(indent=2))
        launch(
            folder / "job.json",
            hosts=hosts,
            master_port=settings.master_port,
            seconds_to_stop=settings.seconds_to_stop,
        )
        return StageSummary.model_validate_json((folder / "summary.json").read_text(encoding="utf-8"))

    return store.produce(request, work)
