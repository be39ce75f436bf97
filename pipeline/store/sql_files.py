"""The files of ``sql/`` and what their headers say: one statement each, with its parameters and columns."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

Folder = Literal[
    "macros/english",
    "macros/japanese",
    "macros/text",
    "macros/benchmarks",
    "views",
    "queries",
    "checks/tables",
    "checks/translation",
    "checks/contamination",
    "checks/invariants",
]
CHECK_MACROS: tuple[Folder, ...] = ("macros/english", "macros/japanese", "macros/text")
"""Macros of the translation checks, by what they read. Those of the benchmarks lie apart: a change of one does not make
the other's step anew."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One ``$name  type  meaning (default x)`` of a header; ``none`` as default leaves the question open."""

    name: str
    type: str
    meaning: str
    default: str | None
    is_required: bool


@dataclass(frozen=True, slots=True)
class Column:
    """One output column; ``type`` is given for views only."""

    name: str
    type: str | None
    meaning: str


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation in which a translation check finds something, at ``turn_index``."""

    turn_index: int | None
    """None: in the conversation as a whole."""
    turns: tuple[str | tuple[str, str], ...]
    """User and assistant in turn: a text alone, or a text and its English original."""


@dataclass(frozen=True, slots=True)
class SqlFile:
    """One statement and what its header says. ``severity`` and ``examples`` are given for translation checks only."""

    name: str
    text: str
    description: str
    severity: str | None
    parameters: tuple[Parameter, ...]
    columns: tuple[Column, ...]
    examples: tuple[Example, ...] = ()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def files_read(self) -> tuple[tuple[str, str], ...]:
        """Step (or ``*``) and name of the published files that the statement itself opens."""
        text = self.text.replace("getvariable('samples')", "'artifacts/dataset/*/samples.parquet'")
        return tuple(re.findall(r"artifacts/([\w*]+)/\*/([\w.]+)'", text))


@cache
def sql_files(folder: Folder) -> Mapping[str, SqlFile]:
    """The files of a folder of ``sql/`` by name, sorted."""
    place = _sql_folder()
    for part in folder.split("/"):
        place = place / part
    found = sorted((file for file in place.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return {
        (name := file.name.removesuffix(".sql")): parse_sql(name, file.read_text(encoding="utf-8")) for file in found
    }


def check_macros() -> Mapping[str, SqlFile]:
    """The macros of the translation checks by name, sorted."""
    found = {name: macro for folder in CHECK_MACROS for name, macro in sql_files(folder).items()}
    return dict(sorted(found.items()))


def checked_tables() -> Mapping[str, SqlFile]:
    """What the translation checks read, by name, each made from those before it."""
    views, tables = sql_files("views"), sql_files("checks/tables")
    in_order = {name: tables[name] for name in ("texts", "sentences", "missing_words")}
    return {"samples": views["samples"], "turns": views["turns"], **in_order, **tables}


def all_macros() -> Iterator[SqlFile]:
    """Every macro; those of the benchmarks, which use the others, last."""
    yield from check_macros().values()
    yield from sql_files("macros/benchmarks").values()


def _sql_folder() -> Traversable:
    try:
        return files("pipeline._sql")  # in an installed wheel
    except ModuleNotFoundError:
        return Path(__file__).parents[2] / "sql"  # in a checkout


def parse_sql(name: str, text: str) -> SqlFile:
    """Read a file's header: a sentence, ``severity: x``, parameter lines and column lines, with two spaces between.

    An example is a line ``example: INDEX [TURN, …]`` in JSON, a turn being a text or ``[text, original]``.
    """
    lines = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    description, severity, parameters, columns, examples = [], None, [], [], []
    for line in filter(None, lines):
        words = re.split(" {2,}", line)
        if line.startswith("severity: "):
            severity = line.removeprefix("severity: ")
        elif line.startswith("example: "):
            examples.append(_example(line.removeprefix("example: ")))
        elif line.startswith("$"):
            parameters.append(_parameter(*words))
        elif len(words) > 1:
            columns.append(Column(words[0], words[1] if len(words) == 3 else None, words[-1]))
        else:
            description.append(line)
    return SqlFile(name, text, " ".join(description), severity, tuple(parameters), tuple(columns), tuple(examples))


def _example(text: str) -> Example:
    index, _, turns = text.partition(" ")
    read = (turn if isinstance(turn, str) else (turn[0], turn[1]) for turn in json.loads(turns))
    return Example(json.loads(index), tuple(read))


def _parameter(name: str, kind: str, meaning: str) -> Parameter:
    plain, has_default, default = meaning.removesuffix(")").partition(" (default ")
    if not has_default:
        return Parameter(name.removeprefix("$"), kind, meaning, None, is_required=True)
    return Parameter(name.removeprefix("$"), kind, plain, None if default == "none" else default, is_required=False)
