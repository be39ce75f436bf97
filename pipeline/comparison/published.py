"""The article's table: its published rows, and what was measured here in the same columns."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import Field, model_validator

from model.config import Section
from pipeline.benchmarks.known import OVERALL

PUBLISHED = "published"
MEASURED = "measured here"

Row = Mapping[str, Any]


class Column(Section):
    """One column: what a number in it means."""

    title: str
    benchmark: str
    protocol: str
    metric: str
    is_average: bool = Field(False, description="follows from other columns, so it is no axis of a chart")

    def has(self, row: Row) -> bool:
        """Whether a row of scores over all items belongs here. A judge's protocol is the first part of its label."""
        found = row["benchmark"], str(row["protocol"]).split(".")[0], row["metric"], row["group"]
        return found == (self.benchmark, self.protocol, self.metric, OVERALL)


class PublishedModel(Section):
    """One row; a value for each column, None where nothing was published."""

    name: str
    values: tuple[float | None, ...]
    source: str = Field("", description="where not that of the table")
    is_in_chart: bool = Field(False, description="the radar chart has its line")


class PublishedTable(Section):
    """``published_scores.yaml``."""

    source: str
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
            **dict(zip(titles, (NOTHING if value is None else f"{value:.2f}" for value in model.values), strict=True)),
        }
        for model in table.models
    ]
    return rows + [
        {"model": name, "": MEASURED, **dict(zip(titles, cells, strict=True))} for name, cells in measured.items()
    ]


NOTHING = "–"


def _cell(scores: Sequence[Row], experiment: str, column: Column) -> str:
    found = [row for row in scores if row["experiment"] == experiment and column.has(row)]
    return " / ".join(score_cell(row) for row in found) or NOTHING


def score_cell(row: Row) -> str:
    """One score as text."""
    if row["is_withheld"]:
        return "withheld"
    interval = "" if row["low"] is None else f" [{row['low']:.1f}, {row['high']:.1f}]"
    return f"{row['mean']:.1f}{interval}"
