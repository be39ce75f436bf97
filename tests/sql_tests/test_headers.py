"""What a header promises is what the statement takes and gives."""

from pathlib import Path

import duckdb
import pytest

from pipeline.store.queries import connect
from pipeline.store.query_parameters import PARAMETER_READERS
from pipeline.store.sql_files import CHECK_MACROS, SqlFile, all_macros, checked_tables, parse_sql, sql_files
from tests.support.small_store import build

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ("views", "queries", "checks/tables", "checks/translation", "checks/contamination", "checks/invariants")
FILES = [pytest.param(file, id=f"{folder}/{name}") for folder in FOLDERS for name, file in sql_files(folder).items()]
VIEWS = [pytest.param(file, id=file.name) for file in sql_files("views").values()]


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    connection = connect(build(tmp_path_factory.mktemp("full")).root)
    hashes = "image_sha256 varchar, perceptual_hash bigint"
    images = f"image varchar, {hashes}, coco_id bigint, visual_genome_id bigint"
    connection.execute(f"create table training ({images}); create table benchmark_images (benchmark varchar, {images})")
    signatures = (
        "signature bigint, image_sha256 varchar, hashes bigint[], mirrored_hash bigint, levels blob, colours blob"
    )
    connection.execute(f"create table training_signatures ({signatures})")
    connection.execute(f"create table benchmark_signatures (benchmark varchar, {signatures})")
    for name in [name for name in checked_tables() if name in sql_files("checks/tables")]:
        connection.sql(sql_files("checks/tables")[name].text).create(name)
    connection.execute(
        "set variable max_distance = 6"
    )  # the tables that pipeline.store.queries.contaminated_images makes
    return connection


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    return connect(tmp_path_factory.mktemp("empty"))


def any_values(file: SqlFile) -> dict[str, object]:
    return {
        parameter.name: PARAMETER_READERS[parameter.type](parameter.default or "1") for parameter in file.parameters
    }


def types_of(connection: duckdb.DuckDBPyConnection, view: SqlFile) -> list[tuple[str, str]]:
    rows = connection.execute(f'describe "{view.name}"').fetchall()
    return [(name, str(duckdb.sqltype(kind))) for name, kind, *_ in rows]


@pytest.mark.parametrize("file", FILES)
def test_the_columns_are_those_of_the_header(full, file):
    described = full.execute(file.text, any_values(file)).description
    assert [column[0] for column in described] == [column.name for column in file.columns]


@pytest.mark.parametrize("file", FILES)
def test_the_parameters_are_those_of_the_header(full, file):
    (statement,) = full.extract_statements(file.text)
    assert statement.named_parameters == {parameter.name for parameter in file.parameters}


@pytest.mark.parametrize("file", FILES)
def test_a_header_says_everything_in_words(file):
    assert file.description.startswith("One row per ")
    assert file.description.endswith(".")
    assert all(column.meaning for column in file.columns)
    assert all(parameter.meaning for parameter in file.parameters)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_the_types_of_its_header(full, view):
    assert types_of(full, view) == [(column.name, str(duckdb.sqltype(column.type))) for column in view.columns]


@pytest.mark.parametrize("view", VIEWS)
def test_an_empty_store_gives_the_same_columns_and_no_rows(full, empty, view):
    assert types_of(empty, view) == types_of(full, view)
    assert empty.execute(f'from "{view.name}"').fetchall() == []


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_carries_a_fingerprint_and_has_rows_in_the_small_store(full, view):
    (shortest, longest) = full.execute(
        f'select min(len(fingerprint)), max(len(fingerprint)) from "{view.name}"'
    ).fetchone()
    assert (shortest, longest) == (16, 16)


def test_translation_checks_have_a_severity_and_the_columns_of_a_finding():
    for check in sql_files("checks/translation").values():
        assert check.severity in ("reject", "warn")
        columns = [column.name for column in check.columns]
        assert columns in (["sample_id", "turn_index", "evidence"], ["text_id", "evidence"])


def test_every_sql_file_is_in_a_folder_that_is_read():
    found = {path.relative_to(REPOSITORY / "sql").as_posix() for path in (REPOSITORY / "sql").rglob("*.sql")}
    folders = (*CHECK_MACROS, "macros/benchmarks", *FOLDERS)
    assert found == {f"{folder}/{name}.sql" for folder in folders for name in sql_files(folder)}


@pytest.mark.parametrize("macro", [pytest.param(file, id=file.name) for file in all_macros()])
def test_a_macro_is_named_as_its_file_and_described(macro):
    assert f"create macro {macro.name}(" in macro.text
    assert macro.description.endswith(".")


def test_a_header_is_read_line_by_line():
    text = """-- One row per thing,
-- on two lines.
-- severity: warn
--
-- $at_least  integer  smallest size (in pixels)
-- $name      string   only this thing (default none)
-- $limit     integer  things, at most (default 3)
--
-- thing  the thing
-- size   bigint  its size
select 'x' as thing, 1 as size -- $not_a_parameter
"""
    file = parse_sql("things", text)
    assert (file.description, file.severity) == ("One row per thing, on two lines.", "warn")
    assert [(p.name, p.meaning, p.default, p.is_required) for p in file.parameters] == [
        ("at_least", "smallest size (in pixels)", None, True),
        ("name", "only this thing", None, False),
        ("limit", "things, at most", "3", False),
    ]
    assert [(column.name, column.type) for column in file.columns] == [("thing", None), ("size", "bigint")]
