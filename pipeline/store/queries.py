"""Questions about the store, asked in the SQL files of ``sql/``. The only module that imports DuckDB.

A file's header says what one row is, its parameters and its columns; ``sql_files`` reads it and tests compare it
with what the statement really takes and gives. Values reach SQL as parameters only, the place of the store as a
DuckDB variable.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pyarrow as pa

from pipeline.core.errors import QueryError
from pipeline.store.artifacts import ArtifactStore, read_manifest
from pipeline.store.query_parameters import parameter_values
from pipeline.store.sql_files import SqlFile, all_macros, checked_tables, sql_files

if (
    TYPE_CHECKING
):  # imported by the functions that use it: as a global it would outlive the interpreter's end and complain
    import duckdb

CHECK_MEMORY = "5GiB"
"""DuckDB's share of the 6 GiB in which the checks of 1.2 million conversations must run."""

READ_ONCE = ("manifests",)
"""Views that a question reads once, because they open a file for every artifact and most other views stand on them."""
NAMED_BY_CHECKS: Mapping[str, tuple[str, ...]] = {
    "experiment_steps": ("experiment", "experiments"),
    "findings": ("check",),
    "feature_shards": ("encoder",),
}
"""Views that tell whether the value of a parameter exists, with the types of such parameters."""


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to a query."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def query_names() -> tuple[str, ...]:
    """The questions that ``run_query`` answers."""
    return tuple(sql_files("queries"))


def describe(name: str) -> SqlFile:
    """What a query answers, its parameters and its columns.

    Raises:
        QueryError: there is no such query; the message lists all.
    """
    queries = sql_files("queries")
    if name not in queries:
        raise QueryError(f"no query is named {name!r}; there are: {', '.join(queries)}")
    return queries[name]


def run_query(name: str, *, store_root: Path, parameters: Mapping[str, str]) -> Result:
    """Answer a query over everything that is published in a store.

    Raises:
        QueryError: no such query or store, or a parameter is unknown, missing or not what the query expects.
        StoreError: a file that it reads is damaged.
    """
    query = describe(name)
    values = parameter_values(query, parameters)
    _require_intact(store_root, query)
    with closing(_snapshot(store_root, [query])) as connection, _explaining(f"query {name}"):
        _check_experiments(connection, query, values)
        _check_checks(connection, query, values)
        _check_encoders(connection, query, values)
        return _answer(connection, query, values)


def broken_invariants(store_root: Path) -> Mapping[str, Result]:
    """What is wrong in a store: the rows of every file in ``sql/checks/invariants`` that has some."""
    checks = sql_files("checks/invariants")
    with closing(_snapshot(store_root, checks.values())) as connection:
        results = {name: _answer(connection, check, {}) for name, check in checks.items()}
    return {name: result for name, result in results.items() if result.rows}


def findings_of(checks: Iterable[SqlFile], *, samples: Path) -> Iterator[tuple[SqlFile, pa.Table]]:
    """Run translation checks over one ``samples.parquet``; each table has sample_id, turn_index and evidence.

    ``samples``, ``turns`` and ``sql/checks/tables`` are tables here, so that the file is read and its conversations are
    taken apart only once. What does not fit into ``CHECK_MEMORY`` goes to a temporary folder meanwhile.
    """
    with TemporaryDirectory(prefix="llava-jp-checks-") as spill, closing(_quiet_connection()) as connection:
        connection.execute("set preserve_insertion_order = false")
        connection.execute("set temp_directory = $folder", {"folder": spill})
        connection.execute("set memory_limit = $limit", {"limit": CHECK_MEMORY})
        # Inlined, a column of a CTE would be computed again for each filter and each column that names it.
        connection.execute("set disabled_optimizers = 'cte_inlining'")
        _set_variable(connection, "samples", glob.escape(str(samples)))
        for name, table in checked_tables().items():
            connection.execute(f"create table {name} as {table.text}")
        for check in checks:
            # Not connection.sql: it plans a statement once to look at its columns and again to run it.
            connection.execute(f"create or replace table findings_of_check as {_of_turns(check)}")
            yield check, connection.table("findings_of_check").to_arrow_table()


def _of_turns(check: SqlFile) -> str:
    """The statement of a check; findings of texts as findings of all turns that say them."""
    if not any(column.name == "text_id" for column in check.columns):
        return check.text
    statement = check.text.rstrip().removesuffix(";")
    return f"select sample_id, turn_index, evidence from turns join ({statement}) as found_texts using (text_id)"


class Pictures(NamedTuple):
    """A dataset whose images are compared: the directory of its artifact, and the table of their signatures."""

    directory: Path
    signatures: Path


def contaminated_images(
    training: Pictures, benchmarks: Mapping[str, Pictures], *, max_distance: int
) -> Iterator[tuple[str, pa.Table]]:
    """Run ``sql/checks/contamination`` over datasets; each table has image, benchmark and so on.

    Args:
        training: a dataset.
        benchmarks: datasets by the benchmark's name.
        max_distance: bits in which the hashes of one picture may differ.
    """
    checks = sql_files("checks/contamination")
    names = _named_under(check.text for check in checks.values())
    with closing(_quiet_connection(names)) as connection:
        connection.execute("set variable max_distance = $bits", {"bits": max_distance})
        connection.execute(f"create table training as {IMAGES_OF_A_DATASET}", _files_of(training.directory))
        connection.execute("create table benchmark_images as select '' as benchmark, * from training limit 0")
        signatures = {"signatures": glob.escape(str(training.signatures))}
        connection.execute(f"create table training_signatures as {SIGNATURES_OF_A_DATASET}", signatures)
        connection.execute(
            "create table benchmark_signatures as select '' as benchmark, * from training_signatures limit 0"
        )
        for name, pictures in benchmarks.items():
            statement = f"insert into benchmark_images select $benchmark, * from ({IMAGES_OF_A_DATASET})"
            connection.execute(statement, {"benchmark": name, **_files_of(pictures.directory)})
            statement = f"insert into benchmark_signatures select $benchmark, * from ({SIGNATURES_OF_A_DATASET})"
            connection.execute(statement, {"benchmark": name, "signatures": glob.escape(str(pictures.signatures))})
        connection.execute("update benchmark_signatures set signature = rowid")
        for name, check in checks.items():
            yield name, connection.sql(check.text).to_arrow_table()


def item_groups(questions: Sequence[str], answers: Sequence[str]) -> list[tuple[str, str]]:
    """Type of each question and length of its answer, by the macros ``question_type`` and ``answer_length``."""
    items = pa.table({"question": pa.array(questions, pa.string()), "answer": pa.array(answers, pa.string())})
    query = "select question_type(question), answer_length(answer) from items"
    with closing(_quiet_connection(_named_under([query]))) as connection:
        connection.register("items", items)
        return connection.execute(query).fetchall()


IMAGES_OF_A_DATASET = """
    with samples as (
        select * from read_parquet($samples, hive_partitioning = false)
        union all by name  -- as in the view sample_images
        select
            null::struct(image varchar, image_sha256 varchar, coco_id bigint, visual_genome_id bigint)[]
                as further_images
        where false
    ),
    shown as (
        select image, coco_id, visual_genome_id from samples
        union all
        select further.image, further.coco_id, further.visual_genome_id
        from (select unnest(further_images) as further from samples)
    )
    select distinct image, images.image_sha256, images.perceptual_hash, coco_id, visual_genome_id
    from read_parquet($images, hive_partitioning = false) as images
    join shown using (image)
    where images.status = 'ok'
"""

SIGNATURES_OF_A_DATASET = """
    select row_number() over () as signature, *
    from (select distinct * from read_parquet($signatures, hive_partitioning = false))
"""


def _files_of(dataset: Path) -> dict[str, str]:
    return {name: glob.escape(str(dataset / f"{name}.parquet")) for name in ("images", "samples")}


def connect(store_root: Path) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with every view over the store, for people: it sees what is published later, too.

    Raises:
        QueryError: there is no such folder.
    """
    connection, _ = _connected(store_root)
    return connection


def views_script(store_root: Path) -> str:
    """Statements that give any DuckDB shell the macros and views over the store, as it is now.

    Raises:
        QueryError: there is no such folder.
    """
    connection, views = _connected(store_root)
    connection.close()
    variables = {name: pattern.replace("'", "''") for name, pattern in _variables(store_root).items()}
    statements = [f"set variable {name} = '{pattern}'" for name, pattern in variables.items()]
    statements += [macro.text.rstrip().removesuffix(";") for macro in all_macros()]
    statements += views
    return ";\n\n".join(statements) + ";\n"


def _snapshot(store_root: Path, questions: Iterable[SqlFile]) -> duckdb.DuckDBPyConnection:
    """The same with no more than some questions of ours need; what all stands on is read once and kept as a table."""
    needed = _named_under(question.text for question in questions)
    names = needed | _named_under(NAMED_BY_CHECKS)
    connection, _ = _connected(store_root, names, tables=[name for name in READ_ONCE if name in needed])
    return connection


def files_read(question: SqlFile) -> set[tuple[str, str]]:
    """Step (or ``*``) and name of the published files that are opened for a question; perhaps some more."""
    views = sql_files("views")
    checks = (view for view in NAMED_BY_CHECKS if any(one.type in NAMED_BY_CHECKS[view] for one in question.parameters))
    names = _named_under((question.text, *checks))
    return {file for name in names if name in views for file in views[name].files_read}


def _require_intact(store_root: Path, question: SqlFile) -> None:
    """DuckDB compares no checksums, so the files that a question reads are compared with their manifests before."""
    read = files_read(question)
    for directory in ArtifactStore(store_root).directories():
        if files := {file for step, file in read if step in ("*", directory.parent.name)}:
            manifest = read_manifest(directory)
            for published in manifest.files:
                if published.path in files:
                    manifest.path(published.path)


def _named_under(texts: Iterable[str]) -> set[str]:
    """The views and macros that some statements name, themselves or through others; perhaps some more."""
    known = {**sql_files("views"), **{macro.name: macro for macro in all_macros()}}
    found: set[str] = set()
    waiting = list(texts)
    while waiting:
        named = set(re.findall(r"\w+", re.sub("--.*", "", waiting.pop()))) & known.keys() - found
        found |= named
        waiting += [known[name].text for name in named]
    return found


def _connected(
    store_root: Path, names: Container[str] | None = None, *, tables: Sequence[str] = ()
) -> tuple[duckdb.DuckDBPyConnection, list[str]]:
    """A connection with all macros and views, or those named, some of them as tables, and what made the views."""
    if not store_root.is_dir():
        raise QueryError(f"there is no store at {store_root}; run an experiment first, or set LLAVA_JP_STORE")
    connection = _quiet_connection(names)
    for name, pattern in _variables(store_root).items():
        _set_variable(connection, name, pattern)
    views = {name: view for name, view in sql_files("views").items() if names is None or name in names}
    return connection, _create_views(connection, views, tables=tables)


def _variables(store_root: Path) -> dict[str, str]:
    store = glob.escape(str(store_root.resolve()))
    return {"store": store, "samples": f"{store}/artifacts/dataset/*/samples.parquet"}


def _quiet_connection(names: Container[str] | None = None) -> duckdb.DuckDBPyConnection:
    """A connection with all macros, or those named."""
    import duckdb

    connection = duckdb.connect(config={"autoinstall_known_extensions": False})
    connection.execute("set enable_progress_bar = false")
    for macro in all_macros():
        if names is None or macro.name in names:
            connection.execute(macro.text)
    return connection


def _set_variable(connection: duckdb.DuckDBPyConnection, name: str, pattern: str) -> None:
    connection.execute(f"set variable {name} = $pattern", {"pattern": pattern})


def _create_views(
    connection: duckdb.DuckDBPyConnection, views: Mapping[str, SqlFile], *, tables: Sequence[str]
) -> list[str]:
    """Create views that may stand on each other: one whose tables are not there yet waits for the next round."""
    import duckdb

    statements = []
    while views:
        blocked = {}
        for name, view in views.items():
            try:
                statements.append(_create_view(connection, view, kind="table" if name in tables else "view"))
            except duckdb.CatalogException as error:
                blocked[name], problem = view, error
            except duckdb.Error as error:
                raise QueryError(f"view {name}: {error}") from error
        if len(blocked) == len(views):
            raise problem
        views = blocked
    return statements


def _create_view(connection: duckdb.DuckDBPyConnection, view: SqlFile, *, kind: Literal["table", "view"]) -> str:
    """Create a view; without any file yet, one without rows under the columns of its header. Returns the statement."""
    import duckdb

    create = f'create or replace {kind} "{view.name}" as\n'
    try:
        statement = create + view.text.rstrip().removesuffix(";")
        connection.execute(statement)
    except duckdb.IOException as error:
        if "No files found" not in str(error):  # DuckDB has no type of its own for this
            raise
        columns = ", ".join(f'cast(null as {column.type}) as "{column.name}"' for column in view.columns)
        statement = f"{create}select {columns} where false"
        connection.execute(statement)
    return statement


def _answer(connection: duckdb.DuckDBPyConnection, file: SqlFile, values: Mapping[str, object]) -> Result:
    with _explaining(f"{file.name} with {dict(values)}"):
        cursor = connection.execute(file.text, values)
        return Result(tuple(column[0] for column in cursor.description), tuple(cursor.fetchall()))


@contextmanager
def _explaining(what: str) -> Iterator[None]:
    """Whatever DuckDB says of a damaged file or of a question, with the name of what it was asked."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise QueryError(f"{what}: {error}") from error


def _check_experiments(connection: duckdb.DuckDBPyConnection, query: SqlFile, values: Mapping[str, object]) -> None:
    """A misspelled experiment must not look like an experiment without results."""
    rows = connection.execute("select distinct experiment from experiment_steps order by experiment").fetchall()
    known = [name for (name,) in rows]
    for parameter in query.parameters:
        value = values[parameter.name]
        if value is None or not parameter.type.startswith("experiment"):
            continue
        for name in value if isinstance(value, list) else [value]:
            if name not in known:
                there_are = ", ".join(known) or "none yet"
                raise QueryError(f"the store has no experiment {name!r} ({parameter.name}); there are: {there_are}")


def _check_checks(connection: duckdb.DuckDBPyConnection, query: SqlFile, values: Mapping[str, object]) -> None:
    """Nor a misspelled check like one that found nothing."""
    for parameter in query.parameters:
        value = values[parameter.name]
        if parameter.type != "check" or value is None:
            continue
        found = {name for (name,) in connection.execute('select distinct "check" from findings').fetchall()}
        known = sorted(found | set(sql_files("checks/translation")))
        if value not in known:
            raise QueryError(f"there is no check {value!r} ({parameter.name}); there are: {', '.join(known)}")


def _check_encoders(connection: duckdb.DuckDBPyConnection, query: SqlFile, values: Mapping[str, object]) -> None:
    """Nor an encoder that made nothing like one without outliers; its first digits are enough."""
    for parameter in query.parameters:
        value = values[parameter.name]
        if parameter.type != "encoder" or value is None:
            continue
        rows = connection.execute("select distinct encoder from feature_shards order by encoder").fetchall()
        known = [name for (name,) in rows]
        if not any(name.startswith(str(value)) for name in known):
            there_are = ", ".join(known) or "none yet"
            raise QueryError(
                f"no cached features are of an encoder {value!r} ({parameter.name}); there are: {there_are}"
            )
