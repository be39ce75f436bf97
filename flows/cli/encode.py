"""``llava-jp encode EXPERIMENT --part 2/4``: one machine's part of the feature cache, by hand."""

import re
from typing import Annotated

import typer

from flows.cli.terminal import console, narrated
from pipeline.config.experiment import ExperimentConfig, load_experiment
from pipeline.core.errors import ConfigError
from pipeline.core.settings import Settings, load_settings
from pipeline.data.download.models import pin_models
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest


def encode(
    experiment: Annotated[str, typer.Argument(help="Name of an experiment, or path of a .yaml file.")],
    part: Annotated[str, typer.Option("--part", help="This machine's part of all, such as 2/4.")] = "1/1",
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Change a field: features.form=int8.")] = None,
) -> None:
    """Encode one part of an experiment's images; other machines that share the store encode the others.

    Start it on every machine with another part, then run the experiment: it finds all features cached.
    """
    number, num_parts = _parsed(part)
    settings = load_settings()
    store = ArtifactStore(settings.store_root)
    config = pin_models(load_experiment(experiment, overrides or ()), root=store.root)
    datasets = _prepared_datasets(experiment, config, settings)
    from pipeline.features.step import calibrate_features, encode_share, on_this_machine

    run_job = on_this_machine(settings)

    with narrated():
        calibration = None
        if config.features.form == "int8":
            calibration = calibrate_features(
                config.vision_tower, config.features, dataset=datasets["pretrain"], store=store, run_job=run_job
            )
        for role, dataset in datasets.items():
            num_own, num_all = encode_share(
                config.vision_tower,
                config.features,
                dataset=dataset,
                calibration=calibration,
                store=store,
                part=number - 1,
                num_parts=num_parts,
                run_job=run_job,
            )
            console.print(f"{role}: {num_own} of {num_all} images without features were in part {part}")


def _parsed(part: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)/(\d+)", part)
    number, num_parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= num_parts:
        raise ConfigError(f"--part {part!r} is not of the form 2/4, from 1/4 to 4/4")
    return number, num_parts


def _prepared_datasets(experiment: str, config: ExperimentConfig, settings: Settings) -> dict[str, Manifest]:
    from pipeline.planning.plan import plan_experiment
    from pipeline.planning.steps import Role

    if config.features.form == "live":
        raise ConfigError("features.form=live has no cache to encode")
    plan, store = plan_experiment(config, settings), ArtifactStore(settings.store_root)
    datasets = {}
    for role in ("pretrain", "finetune"):
        manifest = plan.find(Role("dataset", role), store)
        if manifest is None:
            raise ConfigError(
                f"the dataset {role} of {config.name} is not in {store.root} yet; the deployment "
                f"prepare-data or `llava-jp run {experiment}` on one machine prepares it"
            )
        datasets[role] = manifest
    return datasets
