"""What a person sees in the terminal: our log lines, a bar while something long runs, tables; no library chatter."""

import logging
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from types import FrameType, TracebackType
from typing import Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from flows.runtime.logs import OUR_LOGGERS, clean_text, set_log_levels
from pipeline.compute.launch import EXIT_STOPPED
from pipeline.core.disk import full_disk_text, system_error_text
from pipeline.core.errors import PipelineError, StoppedError, TransientError
from pipeline.core.progress import BYTES, PERIODIC, Event, listening


class CleanConsole(Console):
    """Whatever is printed may hold names and texts from outside: none of them moves the cursor or tells a secret."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(clean_text(one) if isinstance(one, str) else one for one in objects), **options)


console = CleanConsole(width=None if sys.stdout.isatty() else 160)

P = ParamSpec("P")
R = TypeVar("R")

LATIN_WORD = re.compile(r"[!-~]+")
SHORTEST_COLUMN = 6
SHA256 = re.compile("[0-9a-f]{64}")


class TakenAwayError(KeyboardInterrupt):
    """Ctrl-C from a scheduler, which wants to know whether to start the command again."""


def interrupted_by_schedulers() -> None:
    """From now on take the signals that come before a machine is taken away like Ctrl-C: everything is kept."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise TakenAwayError(signal.Signals(number).name)

    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, interrupt)


@contextmanager
def narrated() -> Iterator[None]:
    """Show our log lines and progress while the enclosed work runs."""
    handler = RichHandler(console=console, show_path=False, omit_repeated_times=False, log_time_format="%H:%M:%S")
    set_log_levels()
    for name in OUR_LOGGERS:
        logging.getLogger(name).addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if console.is_terminal:
                handler.addFilter(lambda record: not getattr(record, PERIODIC, False))
                with _bars() as listener, listening(listener):
                    yield
            else:
                yield
    finally:
        for name in OUR_LOGGERS:
            logging.getLogger(name).removeHandler(handler)


@contextmanager
def _bars() -> Iterator[Any]:
    """One bar for every piece of work that reports its progress; it goes when the work is done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        ids: dict[str, TaskID] = {}

        def show(event: Event) -> None:
            unit, size_of_unit = ("MB", 1_000_000) if event.unit == BYTES else (event.unit, 1)
            if event.name not in ids:
                name = escape(clean_text(f"{event.name} ({unit})"))
                ids[event.name] = bars.add_task(name, total=event.total // size_of_unit, note="")
            note = escape(clean_text(event.note))
            bars.update(ids[event.name], completed=event.done // size_of_unit, note=note)
            if event.done >= event.total:
                bars.remove_task(ids.pop(event.name))

        yield show


def explained(command: Callable[P, R]) -> Callable[P, R]:
    """An error a user can act on is one message and exit code 1, without a traceback.

    What a scheduler stopped, or a training that saved because it was asked to, gives exit code 75: start it again.
    """

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except StoppedError as error:
            CleanConsole(stderr=True).print(escape(str(error)), soft_wrap=True, highlight=False)
            raise typer.Exit(EXIT_STOPPED) from None
        except BaseException as error:
            if interruption := _interruption(error):
                CleanConsole(stderr=True).print(
                    "stopped; what is finished is kept: the same command goes on from there"
                )
                raise typer.Exit(EXIT_STOPPED if isinstance(interruption, TakenAwayError) else 130) from None
            if (text := _explanation(error)) is None:
                raise
            CleanConsole(stderr=True).print(f"[bold red]error:[/] {escape(text)}", soft_wrap=True, highlight=False)
            raise typer.Exit(1) from None

    return run


def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What Python prints of an error that nobody expected, without the secrets that libraries put into theirs."""
    print(clean_text("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


def _explanation(error: BaseException) -> str | None:
    """What a person can do about an error; None for a bug of ours, whose traceback is wanted."""
    if isinstance(error, PipelineError | TransientError):
        return str(error)
    return (system_error_text(error) if isinstance(error, OSError) else None) or full_disk_text(error)


def _interruption(error: BaseException | None) -> KeyboardInterrupt | None:
    """The Ctrl-C that an error is, or that it happened during: a flow's server may have been stopped with it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> None:
    """A table of values; numbers to the right, with four digits at most. Too wide rows stand below each other."""
    if not _fits(columns, rows):
        _print_one_by_one(columns, rows, title=title)
        return
    table = Table(title=title and clean_text(title), title_justify="left")
    for index, column in enumerate(columns):
        is_number = bool(rows) and all(isinstance(row[index], int | float) or row[index] is None for row in rows)
        table.add_column(escape(clean_text(column)), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(_text(value)) for value in row))
    console.print(table)
    if not rows:
        console.print("no rows")


def _fits(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> bool:
    """Whether a table would break no word of Latin letters; Japanese may be broken anywhere."""
    texts = [[column, *(_text(row[index]) for row in rows)] for index, column in enumerate(columns)]
    widths = [max(len(word) for text in column for word in LATIN_WORD.findall(text) or [""]) for column in texts]
    return sum(max(width, SHORTEST_COLUMN) + 3 for width in widths) + 1 <= console.width


def _print_one_by_one(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None) -> None:
    if title:
        console.print(title, style="italic")
    for row in rows:
        console.rule(style="dim")
        record = Table.grid(padding=(0, 2))
        for column, value in zip(columns, row, strict=True):
            record.add_row(f"[bold]{escape(clean_text(column))}[/]", escape(_text(value)))
        console.print(record)


def print_records(records: Sequence[Mapping[str, object]], *, title: str | None = None) -> None:
    """The same for rows with names."""
    columns = list(records[0]) if records else []
    print_rows(columns, [[record[column] for column in columns] for record in records], title=title)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return clean_text(str({key: _text(item) for key, item in value.items()}))
    if isinstance(value, str) and SHA256.fullmatch(value):
        return f"{value[:12]}…"
    return f"{value:.4g}" if isinstance(value, float) else clean_text(str(value))
