"""The part of ``llava-jp show`` about the two training stages. Heavy libraries are imported where they are used."""

from flows.cli.terminal import console, print_records
from pipeline.config.experiment import ExperimentConfig
from pipeline.core.settings import Settings
from pipeline.planning.steps import Plan
from pipeline.store.artifacts import ArtifactStore


def show_training(config: ExperimentConfig, plan: Plan, settings: Settings, *, gpu: str | None) -> None:
    """Operations and hours on a GPU, memory of a device under each ZeRO stage, and what to do when it will not fit.

    Args:
        config: the experiment.
        plan: its steps.
        settings: say how many devices there are, and where what is known of the data is.
        gpu: name of a GPU of ``pipeline.compute.gpus``; None: the device of this machine, without hours.

    Raises:
        ConfigError: no GPU has that name.
    """
    from pipeline.compute.gpus import find_gpu
    from pipeline.planning.costs import training_data_sizes, training_forecasts
    from pipeline.planning.training import (
        EXPECTED_MFU,
        GIB,
        advice,
        gpu_rows,
        memory_rows,
        memory_title,
        own_memory,
    )

    known = find_gpu(gpu) if gpu is not None else None
    name, memory_bytes = (known.name, known.memory_gib * GIB) if known else own_memory()
    forecasts = training_forecasts(
        config, training_data_sizes(config, plan, store=ArtifactStore(settings.store_root)), settings
    )
    if known:
        print_records(list(gpu_rows(forecasts, known)), title=f"Training on {known.name}")
        console.print(
            f"hours are {100 * EXPECTED_MFU:.0f} % of its {known.teraflops:.0f} TFLOP/s in bfloat16", highlight=False
        )
    for one in forecasts:
        print_records(list(memory_rows(one, memory_bytes)), title=memory_title(one))
    for one in forecasts:
        if said := advice(one, memory_bytes, name=name):
            console.print(said, soft_wrap=True, highlight=False, markup=False)
