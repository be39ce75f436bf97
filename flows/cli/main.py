"""``llava-jp``: show, run, compare, query, push, pull, ... Heavy libraries are imported where they are used."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
import yaml
from huggingface_hub.utils.tqdm import disable_progress_bars
from rich.markup import escape
from rich.table import Table

from flows.cli import models as model_commands
from flows.cli import store as store_commands
from flows.cli.compare import compare_and_print, compared, print_comparison, require_prefect
from flows.cli.encode import encode
from flows.cli.eval import eval_model
from flows.cli.results import results
from flows.cli.show import show_training
from flows.cli.terminal import console, explained, interrupted_by_schedulers, narrated, print_records, print_rows
from pipeline.config.experiment import load_experiment
from pipeline.core.disk import free_bytes
from pipeline.core.errors import QueryError
from pipeline.core.settings import load_settings
from pipeline.core.wording import duration_text, size_text
from pipeline.store.artifacts import ArtifactStore

if TYPE_CHECKING:
    from pipeline.data.download.plan import FetchPlan
    from pipeline.data.download.registry import Source
    from pipeline.features.sizes import Cost

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Experiment = Annotated[str, typer.Argument(help="Name of an experiment, or path of a .yaml file.")]
Experiments = Annotated[list[str], typer.Argument(help="Names of experiments, or paths of .yaml files.")]
Compared = Annotated[
    list[str], typer.Argument(help="Names of experiments, paths of .yaml files, names of models measured with `eval`.")
]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="Change a field: finetune.learning_rate=1e-4.")]

QUIET_ENVIRONMENT = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # our own lines go to the terminal, Prefect's to its UI
    "PREFECT_LOGGING_EXTRA_LOGGERS": "flows,pipeline,model",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",  # the client's own analytics, and the notice about it on a terminal
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # the temporary server needs over 20 s on two busy cores
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def main() -> None:
    """Entry point of the console script."""
    for name, value in QUIET_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    disable_progress_bars()  # it has read its variable when it was imported; Transformers asks it for its own bars
    app()


@app.command()
@explained
def show(
    experiment: Experiment,
    overrides: Overrides = None,
    gpu: Annotated[str | None, typer.Option(help='Predict the training on this GPU, such as "RTX 4090".')] = None,
) -> None:
    """The whole configuration; each step with its fingerprint, done or to do, and what it needs."""
    config = load_experiment(experiment, overrides or ())
    from pipeline.compute.gpus import find_gpu
    from pipeline.data.download.datasets import is_pinned, plan_download, published_datasets
    from pipeline.data.download.models import unpinned_models
    from pipeline.data.download.plan import require_disk
    from pipeline.planning.costs import estimate
    from pipeline.planning.features import plan_features, require_space_for
    from pipeline.planning.plan import plan_experiment

    if gpu is not None:
        find_gpu(gpu)  # a misspelled name is said before pages of tables
    store = ArtifactStore(load_settings().store_root)
    published = published_datasets(config)
    download = plan_download(published, root=store.root)
    costs = estimate(config, store=store)
    console.print(yaml.safe_dump(config.model_dump(mode="json"), allow_unicode=True, sort_keys=False), markup=False)
    table = Table(title=f"{config.name} in {store.root}", title_justify="left")
    for heading in ("step", "fingerprint", "state", "disk", "time", "memory"):
        table.add_column(heading, justify="right" if heading in ("disk", "time", "memory") else "left")
    for step in plan_experiment(config):
        state = "done" if store.is_whole(step.request) else "to do"
        cost = costs[step.role]
        mark = "" if state == "done" else "~"
        table.add_row(step.role, step.fingerprint, state, *_cost_cells(cost, mark))
    console.print(table)
    console.print(f"~ is estimated; {size_text(free_bytes(store.root))} free on the disk of the store")
    if unpinned := unpinned_models(config, root=store.root):
        console.print(
            f"the first run pins {', '.join(unpinned)} to a commit; fingerprints of steps with it are not final"
        )
    features = plan_features(config, store=store)
    print_records(features.rows(), title=features.note())
    show_training(config, store=store, gpu=gpu)
    if download:
        if not is_pinned(published, root=store.root):
            console.print("fingerprints of steps on sources that are not pinned yet are not final")
        _print_download(download)
        require_disk(download)
    require_space_for(config, store=store)


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
    _print_download(plan)
    require_disk(plan)
    with narrated():
        for fetched in fetch(sources, root=root):
            console.print(f"{fetched.name}: {fetched.folder}", soft_wrap=True, highlight=False)


@app.command()
@explained
def run(experiments: Experiments, overrides: Overrides = None) -> None:
    """Run experiments, all steps; several are compared at the end. What is already done is not done again."""
    interrupted_by_schedulers()
    configs = [load_experiment(experiment, overrides or ()) for experiment in experiments]
    from pipeline.planning.plan import plan_experiment

    for config in configs:
        plan_experiment(config)  # a path that does not exist is said before anything starts
    require_prefect()
    from flows.run_experiment import run_experiment

    for config in configs:
        console.rule(f"[bold]{config.name}", align="left")
        with narrated():
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
    print_rows(result.columns, result.rows)


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


def _print_download(plan: "FetchPlan") -> None:
    print_records(plan.rows(), title="Published data")
    for note in plan.notes():
        console.print(note, soft_wrap=True, highlight=False, markup=False)


def _cost_cells(cost: "Cost", mark: str) -> tuple[str, str, str]:
    memory = "" if cost.memory_bytes is None else mark + size_text(cost.memory_bytes)
    return mark + size_text(cost.num_bytes), mark + duration_text(cost.seconds), memory


def _key_and_value(parameter: str) -> tuple[str, str]:
    name, sign, value = parameter.partition("=")
    if not sign:
        raise QueryError(f"--param {parameter!r} is not of the form name=value")
    return name, value


if __name__ == "__main__":
    main()
