"""``llava-jp``: show, run, compare, query, push, pull, ... Heavy libraries are imported where they are used."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from huggingface_hub.utils.tqdm import disable_progress_bars
from rich.markup import escape

from flows.cli import models as model_commands
from flows.cli import store as store_commands
from flows.cli.compare import compare_and_print, compared, flow_narrated, print_comparison, require_prefect
from flows.cli.encode import encode
from flows.cli.eval import eval_model
from flows.cli.results import results
from flows.cli.row_formats import RowFormat, rows_as
from flows.cli.show import Overrides, print_download, show
from flows.cli.terminal import console, explained, interrupted_by_schedulers, narrated, print_rows, print_traceback
from pipeline.config.experiment import load_experiment
from pipeline.core.errors import QueryError
from pipeline.core.settings import load_settings

if TYPE_CHECKING:
    from pipeline.store.sources import Source

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Experiments = Annotated[list[str], typer.Argument(help="Names of experiments, or paths of .yaml files.")]
Compared = Annotated[
    list[str], typer.Argument(help="Names of experiments, paths of .yaml files, names of models measured with `eval`.")
]

QUIET_ENVIRONMENT = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # our own lines go to the terminal, Prefect's to its UI
    "PREFECT_LOGGING_EXTRA_LOGGERS": "flows,pipeline,model",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",  # whole events, when its server is away
    "DO_NOT_TRACK": "1",  # the client's own analytics, and the notice about it on a terminal
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # the temporary server needs over 20 s on two busy cores
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONSAFEPATH": "1",  # no process that is started looks for modules in the working directory
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def main() -> None:
    """Entry point of the console script."""
    for name, value in QUIET_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    sys.excepthook = print_traceback
    disable_progress_bars()  # it has read its variable when it was imported; Transformers asks it for its own bars
    app()


app.command()(explained(show))


@app.command(name="fetch")
@explained
def fetch_command(
    names: Annotated[
        list[str], typer.Argument(help="Datasets or single sources of pipeline/data/download/sources.yaml.")
    ],
) -> None:
    """Fetch published data or model files into the store: what it takes and the licences first, then the bytes."""
    from pipeline.data.download.fetch import fetch
    from pipeline.data.download.plan import fetch_plan, require_disk

    root = load_settings().store_root
    sources = [source for name in names for source in _sources_named(name)]
    plan = fetch_plan(sources, root=root)
    print_download(plan)
    require_disk(plan)
    with narrated():
        for fetched in fetch(sources, root=root):
            console.print(f"{fetched.name}: {fetched.folder}", soft_wrap=True, highlight=False, markup=False)


@app.command()
@explained
def run(experiments: Experiments, overrides: Overrides = None) -> None:
    """Run experiments, all steps; several are compared at the end. What is already done is not done again."""
    interrupted_by_schedulers()
    configs = [load_experiment(experiment, overrides or ()) for experiment in experiments]
    from pipeline.planning.plan import plan_experiment

    for config in configs:
        plan_experiment(config, load_settings())  # a path that does not exist is said before anything starts
    require_prefect()
    from flows.run_experiment import run_experiment

    for config in configs:
        console.rule(f"[bold]{config.name}", align="left")
        with flow_narrated():
            comparison = run_experiment(config)
    if len(configs) == 1:
        print_comparison(comparison)
    else:
        compare_and_print(configs)


@app.command()
@explained
def compare(experiments: Compared, overrides: Overrides = None) -> None:
    """Compare experiments that have been run, and models measured with `eval` by their names: table, chart, answers."""
    compare_and_print([compared(experiment, overrides or ()) for experiment in experiments])


@app.command()
@explained
def query(
    name: Annotated[str | None, typer.Argument(help="Name of a query; without it, all are listed.")] = None,
    parameters: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="A parameter of the query: name=value.")
    ] = None,
    form: Annotated[
        RowFormat, typer.Option("--format", help="table for people; csv, json or parquet for programs, whole.")
    ] = RowFormat.table,
) -> None:
    """Ask the store a question in SQL; the queries are the files in sql/queries."""
    from pipeline.store.queries import describe, query_names, run_query

    if name is None:
        for known in query_names():
            asked = describe(known)
            console.print(f"[bold]{known}[/]  {escape(asked.description)}")
            for one in asked.parameters:
                need = "needed" if one.is_required else f"default {one.default}" if one.default else "optional"
                console.print(f"    --param {one.name}=…  [dim]{escape(one.meaning)}; {need}[/]", highlight=False)
        return
    values = dict(_key_and_value(parameter) for parameter in parameters or ())
    result = run_query(name, store_root=load_settings().store_root, parameters=values)
    if form == RowFormat.table:
        print_rows(result.columns, result.rows)
    else:
        sys.stdout.buffer.write(rows_as(form, result.columns, result.rows))


@app.command()
@explained
def views() -> None:
    """SQL that gives a DuckDB shell all views: llava-jp views > views.sql, then duckdb -init views.sql."""
    from pipeline.store.queries import views_script

    print(views_script(load_settings().store_root), end="")


app.command()(explained(encode))
app.command()(explained(results))
for command in (
    store_commands.verify,
    store_commands.discard,
    store_commands.push,
    store_commands.pull,
    store_commands.deliver,
):
    app.command()(explained(command))
app.command()(explained(model_commands.export))
app.command()(explained(model_commands.publish))
app.command()(explained(model_commands.chat))
app.command(name="eval")(explained(eval_model))


def _sources_named(name: str) -> "Sequence[Source]":
    from pipeline.data.download.registry import find_source, known_datasets, sources_of

    return sources_of([name]) if name in known_datasets() else (find_source(name),)


def _key_and_value(parameter: str) -> tuple[str, str]:
    name, sign, value = parameter.partition("=")
    if not sign:
        raise QueryError(f"--param {parameter!r} is not of the form name=value")
    return name, value


if __name__ == "__main__":
    main()
