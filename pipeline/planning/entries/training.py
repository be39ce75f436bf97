"""The step of one training stage."""

from collections.abc import Mapping

from model.config import ImageConfig, LlmConfig, Stage, VisionTowerConfig
from pipeline.compute.hosts import num_processes_here
from pipeline.config.experiment import (
    ExperimentConfig,
)
from pipeline.config.identity import Identities
from pipeline.planning.steps import Machine, Made, Role, Step
from pipeline.store.manifest import Manifest
from pipeline.training.step import stage_request, train_stage


def training(stage: Stage, config: ExperimentConfig, inputs: Mapping[str, Step], *, identities: Identities) -> Step:
    """One stage of training; ``inputs`` are dataset, accepted, features and, in finetuning, projector."""
    stage_config = config.pretrain if stage == "pretrain" else config.finetune
    llm: LlmConfig = config.llm
    tower: VisionTowerConfig = config.vision_tower
    images: ImageConfig = config.features

    def make(made: Made, machine: Machine) -> Manifest:
        taken = {name: made[step.role] for name, step in inputs.items()}
        return train_stage(
            stage,
            stage_config,
            llm,
            tower,
            images,
            inputs=taken,
            store=machine.store,
            settings=machine.settings,
        )

    fingerprints = {name: step.fingerprint for name, step in inputs.items()}
    return Step(
        Role(stage),
        "train",
        stage_request(stage, stage_config, llm, identities, inputs=fingerprints),
        make,
        reads=tuple(step.role for step in inputs.values()),
        num_devices=lambda machine: num_processes_here(machine.settings),
    )
