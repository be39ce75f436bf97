"""One step of the smallest experiment, made as a run makes it, without Prefect: what a fork does in a second.

    LLAVA_JP_STORE=/store ... tests.support.one_step dataset/finetune

Its inputs are in the store. With ``FAULTY_DISK`` it lies on a disk with faults: see ``faulty_disk``.
"""

import os
import sys

import typer

from flows.cli.terminal import explained, interrupted_by_schedulers
from pipeline.config.experiment import load_experiment
from pipeline.core.settings import load_settings
from pipeline.planning.plan import plan_experiment
from pipeline.planning.steps import Machine
from pipeline.store.artifacts import ArtifactStore
from tests.support import faulty_disk


def main() -> int:
    """Make it; exit code and message are those of a command."""
    if faulty_disk.VARIABLE in os.environ:
        faulty_disk.install()
    interrupted_by_schedulers()
    try:
        explained(make)(sys.argv[-1])
    except typer.Exit as leaving:
        return leaving.exit_code
    return 0


def make(role: str) -> None:
    """The artifact of the step with this role."""
    settings = load_settings()
    store = ArtifactStore(settings.store_root)
    plan = plan_experiment(load_experiment("smoke"), settings)
    made = {step.role: manifest for step in plan if (manifest := store.find(step.request))}
    (step,) = (step for step in plan if str(step.role) == role)
    step.make(made, Machine(store, settings))
