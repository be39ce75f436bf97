"""Published numbers, the article's and those of leaderboards, and what was measured here in the same columns."""

import datetime
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import Field, model_validator

from model.config import Section
from pipeline.benchmarks.known import OVERALL, is_blind
from pipeline.benchmarks.metrics import unit_of

PUBLISHED = "published"
MEASURED = "measured here"

NOTHING = "–"

Row = Mapping[str, Any]


class Column(Section):
    """One column: what a number in it means."""

    title: str
    benchmark: str
    protocol: str
    metric: str
    is_average: bool = Field(False, description="follows from other columns, so it is no axis of a chart")
    judge_model: str | None = Field(None, description="who judged; None: said by the table, or nobody")
    largest: float = Field(100.0, description="the value that is 100 % of what can be reached")

    def has(self, row: Row) -> bool:
        """Whether a row of scores over all items belongs here. A judge's protocol is the first part of its label."""
        protocol, _, rest = str(row["protocol"]).partition(".")
        if is_blind(row["protocol"]) or self.judge_model not in (None, rest.rpartition(".")[0]):
            return False
        found = row["benchmark"], protocol, row["metric"], row["group"]
        return found == (self.benchmark, self.protocol, self.metric, OVERALL)

    def text(self, value: float | None) -> str:
        """A published number as ours are shown."""
        return NOTHING if value is None else f"{100 * value / self.largest:.2f}"


class PublishedModel(Section):
    """One row; a value for each column, None where nothing was published."""

    name: str
    values: tuple[float | None, ...]
    source: str = Field("", description="where not that of the table")
    is_in_chart: bool = Field(False, description="the radar chart has its line")


class PublishedTable(Section):
    """``published_scores.yaml``, or a file of ``leaderboards``: numbers that belong together."""

    title: str = "The article's table"
    source: str
    date: datetime.date | None = Field(None, description="of the numbers")
    judge: str = Field("", description="who judged, as far as it is known")
    note: str
    columns: tuple[Column, ...]
    models: tuple[PublishedModel, ...]

    @model_validator(mode="after")
    def _is_rectangular(self) -> "PublishedTable":
        for model in self.models:
            if len(model.values) != len(self.columns):
                raise ValueError(f"{model.name} has {len(model.values)} values for {len(self.columns)} columns")
        return self


@cache
def published_table() -> PublishedTable:
    """The table that comes with this project."""
    text = (files("pipeline.comparison") / "published_scores.yaml").read_text(encoding="utf-8")
    return PublishedTable.model_validate(yaml.safe_load(text))


@cache
def leaderboards() -> tuple[PublishedTable, ...]:
    """All tables of others, the newest first."""
    folder = files("pipeline.comparison") / "leaderboards"
    texts = [file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".yaml")]
    tables = [PublishedTable.model_validate(yaml.safe_load(text)) for text in texts]
    return tuple(sorted(tables, key=lambda table: (str(table.date), table.title), reverse=True))


def leaderboard_rows(
    table: PublishedTable, scores: Sequence[Row], *, experiments: Sequence[str]
) -> list[dict[str, str]]:
    """The columns of a table in which something was measured here, with the published rows; empty if there is none."""
    measured = [column for column in table.columns if any(column.has(row) for row in scores)]
    places = [table.columns.index(column) for column in measured]
    titles = [column.title for column in measured]
    rows = []
    for model in table.models:
        cells = [column.text(model.values[place]) for column, place in zip(measured, places, strict=True)]
        if any(cell != NOTHING for cell in cells):
            rows.append({"model": model.name, "": PUBLISHED, **dict(zip(titles, cells, strict=True))})
    for name in experiments if measured else ():
        cells = [_cell(scores, name, column) for column in measured]
        rows.append({"model": name, "": MEASURED, **dict(zip(titles, cells, strict=True))})
    return rows


def article_rows(scores: Sequence[Row], *, experiments: Sequence[str]) -> list[dict[str, str]]:
    """The article's table with a row for every experiment below the published ones; empty if none has such a number.

    ``scores`` are rows of ``COMPARISON_SCHEMA``; a cell is ``mean [low, high]``, ``withheld``, or – for no number.
    """
    table = published_table()
    measured = {name: [_cell(scores, name, column) for column in table.columns] for name in experiments}
    if all(cell == NOTHING for cells in measured.values() for cell in cells):
        return []
    titles = [column.title for column in table.columns]
    rows = [
        {
            "model": model.name,
            "": PUBLISHED,
            **{column.title: column.text(value) for column, value in zip(table.columns, model.values, strict=True)},
        }
        for model in table.models
    ]
    return rows + [
        {"model": name, "": MEASURED, **dict(zip(titles, cells, strict=True))} for name, cells in measured.items()
    ]


def _cell(scores: Sequence[Row], experiment: str, column: Column) -> str:
    found = [row for row in scores if row["experiment"] == experiment and column.has(row)]
    return " / ".join(score_cell(row) for row in found) or NOTHING


def score_cell(row: Row) -> str:
    """One score as text."""
    if row["is_withheld"]:
        return "withheld"
    interval = "" if row["low"] is None else f" [{row['low']:.1f}, {row['high']:.1f}]"
    return f"{row['mean']:.1f}{interval}{unit_of(row['metric'])}"
