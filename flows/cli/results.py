"""``llava-jp results``: an experiment's answers in the folders of llm-jp-eval-mm, to be scored there."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.compare import compared
from flows.cli.terminal import console
from pipeline.config.measured import MeasuredModel
from pipeline.core.errors import DataError
from pipeline.core.settings import load_settings
from pipeline.store.artifacts import ArtifactStore


def results(
    experiment: Annotated[
        str,
        typer.Argument(help="An experiment that was run, a .yaml file, or the name of a model measured with `eval`."),
    ],
    to: Annotated[Path, typer.Option(help="Folder that becomes result/<task>/<model>.")] = Path("result"),
    model_id: Annotated[
        str | None, typer.Option(help="Name of the model there, as owner/name; without it, the experiment's name.")
    ] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Change a field, as for `run`.")] = None,
) -> None:
    """Write an experiment's answers as llm-jp-eval-mm does, to be scored there: whole benchmarks only."""
    from pipeline.comparison.eval_mm import export_results
    from pipeline.planning.measured import measured_model
    from pipeline.planning.plan import finished_experiment

    config, settings = compared(experiment, overrides or ()), load_settings()
    if isinstance(config, MeasuredModel):
        evaluated = measured_model(config.measured, store=ArtifactStore(settings.store_root))
    else:
        evaluated = finished_experiment(config, settings)
    refused = []
    for predictions in evaluated.predictions:
        try:
            place = export_results(predictions, model=model_id or evaluated.name, folder=to)
        except DataError as error:
            refused.append(str(error))
            continue
        console.print(str(place), soft_wrap=True, highlight=False, markup=False)
    if refused:
        raise DataError("\n  ".join(["not written:", *refused]))
