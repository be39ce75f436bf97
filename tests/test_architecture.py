import ast
import configparser
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.shared_data import REPOSITORY

PACKAGES = ("flows", "pipeline", "model")
SOURCES = sorted(path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py"))
MAX_LINES = 400


def call(*command: str, cwd: Path = REPOSITORY) -> str:
    """Run a tool of this environment; its output is the message when it is not content."""
    tool, *arguments = command
    path = Path(sys.executable).parent / tool
    done = subprocess.run([str(path), *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def project_files() -> list[Path]:
    """What git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [path for name in done.stdout.split("\0") if name and (path := REPOSITORY / name).is_file()]


def test_no_layer_knows_what_it_should_not():
    call("lint-imports", "--no-cache")


def test_the_code_is_linted_and_formatted():
    call("ruff", "check", ".")
    call("ruff", "format", "--check", ".")


def test_the_types_are_right():
    call("mypy")


def test_what_is_imported_is_declared_and_what_is_declared_is_used():
    call("deptry", ".")


def test_what_the_tests_import_is_declared():
    call("deptry", ".", "--exclude", r"^\.venv", "--ignore", "DEP002,DEP004")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_source_file_says_what_it_is_for_and_is_short(path):
    text = path.read_text(encoding="utf-8")
    if path.name == "__init__.py":
        assert text == ""
        return
    assert ast.get_docstring(ast.parse(text)), f"{path} must start with one sentence that says what it is for"
    assert text.count("\n") <= MAX_LINES


def test_every_package_is_listed_for_the_wheel():
    found = {".".join(path.parent.relative_to(REPOSITORY).parts) for path in SOURCES if path.name == "__init__.py"}
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(settings["tool"]["setuptools"]["packages"]) == {*found, "pipeline._sql"}


def hosts_of_this_machine() -> set[str]:
    """Package indexes that only this machine may know, from its environment and configuration."""
    urls = [value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_")) and "://" in value]
    config = configparser.ConfigParser(interpolation=None, strict=False)
    config.read([Path("/etc/pip.conf"), *(Path.home() / name for name in (".pip/pip.conf", ".config/pip/pip.conf"))])
    urls += [value for section in config.sections() for value in config[section].values() if "://" in value]
    hosts = {urlsplit(url).hostname or "" for line in urls for url in line.split() if "://" in url}
    return {host for host in hosts if host and not host.endswith(("pypi.org", "pytorch.org"))}


def test_no_file_knows_this_machine():
    folder = r"(?:^|[\s\"'=(:`])/(work|root|home)/\w"
    private = re.compile("|".join([folder, *map(re.escape, sorted(hosts_of_this_machine()))]))
    found = []
    for path in project_files():
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if match := private.search(line):
                found.append(f"{path.relative_to(REPOSITORY)}:{number}: {match[0]}")
    assert not found


def test_no_file_names_a_package_index():
    pattern = re.compile("-" + r"-(extra-)?index-url|^index_url", re.MULTILINE)
    found = [path for path in project_files() if pattern.search(path.read_text(encoding="utf-8", errors="replace"))]
    assert not [path for path in found if path != Path(__file__)]


@pytest.fixture(scope="module")
def wheel_files(tmp_path_factory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    for path in project_files():
        copy = folder / "source" / path.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    call("python", "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), cwd=folder / "source")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_has_every_source_file(wheel_files):
    assert {path.relative_to(REPOSITORY).as_posix() for path in SOURCES} <= wheel_files


def test_the_wheel_has_every_sql_file(wheel_files):
    folder = REPOSITORY / "sql"
    expected = {f"pipeline/_sql/{path.relative_to(folder).as_posix()}" for path in folder.rglob("*.sql")}
    assert expected
    assert {name for name in wheel_files if name.endswith(".sql")} == expected


def test_the_wheel_has_every_file_that_the_pipeline_reads(wheel_files):
    kinds = {".yaml", ".html", ".md", ".json"}
    paths = (path for path in (REPOSITORY / "pipeline").rglob("*") if path.suffix in kinds)
    expected = {path.relative_to(REPOSITORY).as_posix() for path in paths}
    assert {"pipeline/experiments/smoke.yaml", "pipeline/comparison/samples.html"} <= expected
    assert expected <= wheel_files


def test_the_wheel_has_nothing_else(wheel_files):
    assert {name.split("/")[0] for name in wheel_files if ".dist-info/" not in name} == set(PACKAGES)


def test_the_command_line_and_the_planning_start_without_torch():
    code = "import sys, flows.cli.main, pipeline.planning.plan; sys.exit('torch' in sys.modules)"
    call("python", "-c", code, cwd=REPOSITORY)
