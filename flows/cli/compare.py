"""What the commands ``run``, ``compare`` and ``eval`` share: a server of Prefect that answers, a comparison."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx

from flows.cli.terminal import console, narrated, print_records
from pipeline.config.experiment import (
    ExperimentConfig,
    ExperimentName,
    is_experiment_file,
    is_experiment_name,
    load_experiment,
)
from pipeline.config.measured import MeasuredModel
from pipeline.core.errors import ConfigError
from pipeline.core.settings import load_settings
from pipeline.store.manifest import Manifest


def require_prefect() -> None:
    """Without a server of one's own a temporary one is started; one's own must answer."""
    if not (url := os.environ.get("PREFECT_API_URL")):
        from flows.runtime.server import start_temporary_server

        start_temporary_server()
        return
    try:
        with httpx.stream("GET", f"{url.rstrip('/')}/health", timeout=20) as answer:  # whose body nobody reads
            answer.raise_for_status()
    except httpx.HTTPError as error:
        raise ConfigError(
            f"no Prefect server answers at PREFECT_API_URL={url} ({error}); "
            "start it with `prefect server start`, or unset the variable to use a temporary one"
        ) from error


@contextmanager
def flow_narrated() -> Iterator[None]:
    """Show what the enclosed flow logs and how far it is, and whether its server is there."""
    from flows.runtime.server import server_watched

    with narrated(), server_watched():
        yield


def compared(name: str, overrides: Sequence[str]) -> ExperimentConfig | MeasuredModel:
    """An experiment, or a model that was measured under this name.

    Raises:
        ConfigError: it is neither.
    """
    from pipeline.planning.measured import measured_models

    if is_experiment_name(name) or is_experiment_file(name):
        return load_experiment(name, overrides)
    measured = measured_models(load_settings().store_root)
    if name not in measured:
        raise ConfigError(
            f"{name!r} is neither an experiment nor a measured model; there are: {', '.join(ExperimentName)}; measured "
            f"with `llava-jp eval`: {', '.join(measured) or 'none yet'}; or give the path of a .yaml file"
        )
    return MeasuredModel(measured=name)


def compare_and_print(configs: Sequence[ExperimentConfig | MeasuredModel]) -> None:
    """Compare what was measured, and show it."""
    require_prefect()
    from flows.compare import compare_flow

    measured = tuple(config for config in configs if isinstance(config, MeasuredModel) or config.evaluation.benchmarks)
    with flow_narrated():
        comparison = compare_flow(measured) if measured else None
    print_comparison(comparison)


def print_comparison(comparison: Manifest | None) -> None:
    """The scores of a comparison and where its chart and sample answers are."""
    from pipeline.comparison.step import (
        CHART,
        article_table,
        difference_table,
        has_chart,
        leaderboard_tables,
        power_table,
        score_table,
    )

    if comparison is None:
        console.print("no benchmark was asked for, so there is nothing to compare")
        return
    if power := power_table(comparison):
        print_records(power, title="The smallest difference that these items can show (80 % power at 5 %)")
    if scores := score_table(comparison):
        print_records(scores, title="Scores with 95 % intervals")
    else:
        console.print("there is no number to show; the log and the report say why")
    if article := article_table(comparison):
        print_records(article, title="The article's table")
    for title, rows in leaderboard_tables(comparison).items():
        print_records(rows, title=title)
    if differences := difference_table(comparison):
        print_records(differences, title="Paired differences, p of a sign-flip test")
    if has_chart(comparison):
        console.print(f"radar chart:    {comparison.path(CHART)}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"sample answers: {comparison.path('samples.html')}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"all breakdowns: {comparison.path('report.md')}", soft_wrap=True, highlight=False, markup=False)
