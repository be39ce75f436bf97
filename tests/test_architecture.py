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


ENVIRONMENT_READ = {
    # what torchrun or our launcher tells a worker
    "pipeline/compute/worker.py": {"FOLLOWS_STDIN", "load_settings"},
    "pipeline/features/encoder.py": {"LOCAL_RANK"},
    "pipeline/evaluation/answering_worker.py": {"RANK", "WORLD_SIZE"},
    "pipeline/features/run.py": {"RANK", "WORLD_SIZE"},
    "pipeline/training/distributed.py": {"LOCAL_RANK"},
    # workers inherit the environment of the process that starts them
    "pipeline/compute/launch.py": {"all", "OMP_NUM_THREADS"},
    "pipeline/compute/remote_worker.py": {"all"},
    # libraries that can be told in no other way
    "pipeline/training/work.py": {"DS_ACCELERATOR"},
    "model/language_model.py": {"DISABLE_SAFETENSORS_CONVERSION"},
    "pipeline/tracking/mlflow/client.py": {
        *("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"),
    },
    # where the Hub and an object storage are and how to get in, as their own libraries read it
    "pipeline/data/download/hub.py": {"HF_ENDPOINT", "HF_TOKEN"},
    "pipeline/data/download/plan.py": {"HF_HUB_OFFLINE"},
    "pipeline/store/remote/storage.py": {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"},
    # what may be in no message
    "pipeline/core/censoring.py": {"all"},
    # people call it from Python, with nothing above it
    "pipeline/features/lookup.py": {"load_settings"},
}
"""The only variables that are read or set below the flows, by file."""


def environment_read(tree: ast.Module) -> set[str]:
    """Names of the variables that a module reads or sets; ``all`` where it takes them all."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    found = set()
    for node in ast.walk(tree):
        text = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Call | ast.ImportFrom) else ""
        if text.startswith(("load_settings(", "Settings(")):
            found.add("load_settings")
        elif text.startswith("os.getenv(") or (isinstance(node, ast.ImportFrom) and node.module == "os"):
            found.add(text)
        elif text == "os.environ":
            found.add(_variable(parents, node))
    return {name.strip("'") for name in found}


def _variable(parents: dict[ast.AST, ast.AST], environ: ast.AST) -> str:
    match parents[environ]:
        case ast.Subscript(slice=name) | ast.Compare(left=name):
            return ast.unparse(name)
        case ast.Attribute() as method:
            arguments = parents[method].args
            return ast.unparse(arguments[0]) if arguments else "all"
    return "all"


def test_nothing_below_the_flows_reads_the_environment_but_what_is_listed():
    found = {}
    for path in SOURCES:
        if path.is_relative_to(REPOSITORY / "flows") or path.name == "settings.py":
            continue
        if names := environment_read(ast.parse(path.read_text(encoding="utf-8"))):
            found[path.relative_to(REPOSITORY).as_posix()] = names
    assert found == ENVIRONMENT_READ


def does_something(statement: ast.stmt) -> bool:
    """Whether a statement of a module does more than import, define, name a value or say what something is."""
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.FunctionDef() | ast.ClassDef():
            return False
        case ast.Expr(value=ast.Constant()):
            return False
        case ast.Assign(targets=targets):
            return not all(isinstance(target, ast.Name | ast.Tuple) for target in targets)
        case ast.AnnAssign(target=ast.Name()):
            return False
        case ast.If(test=test):
            return ast.unparse(test) not in ("TYPE_CHECKING", "__name__ == '__main__'")
    return True


COMMANDS = ("app.command(", "for command in (")
"""How ``flows.cli.main`` lists the commands."""


def test_importing_a_module_sets_nothing():
    found = []
    for path in SOURCES:
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            text = ast.unparse(statement)
            is_command = path == REPOSITORY / "flows/cli/main.py" and text.startswith(COMMANDS)
            if does_something(statement) and not is_command:
                found.append(f"{path.relative_to(REPOSITORY)}:{statement.lineno}: {text}")
    assert not found


@pytest.mark.parametrize(
    "line",
    [
        "os.environ['X'] = '1'",
        "Image.MAX_IMAGE_PIXELS = None",
        "logging.getLogger('x').setLevel(10)",
        "warnings.filterwarnings('ignore')",
        "for name in ('a', 'b'):\n    logging.getLogger(name).setLevel(10)",
    ],
)
def test_what_is_set_at_import_is_found(line):
    assert does_something(ast.parse(line).body[0])


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("os.environ['X'] = '1'", "X"),
        ("x = os.environ.get('X', '')", "X"),
        ("x = 'X' in os.environ", "X"),
        ("x = dict(os.environ)", "all"),
        ("x = os.getenv('X')", "os.getenv('X')"),
        ("from os import environ", "from os import environ"),
        ("x = load_settings().store_root", "load_settings"),
    ],
)
def test_every_way_to_read_the_environment_is_found(line, name):
    assert environment_read(ast.parse(line)) == {name}


LOADERS = ("from_pretrained", "from_config")
"""Methods of Transformers that run Python of a model folder if they may, and ask standard input whether they may."""


def silent_loaders(tree: ast.Module) -> list[int]:
    """Lines where such a method is used and does not mention ``trust_remote_code``, or is handed on."""
    explicit = {
        node.func
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and any(keyword.arg == "trust_remote_code" for keyword in node.keywords)
    }
    uses = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in LOADERS)
    return [node.lineno for node in uses if node not in explicit]


def test_whatever_loads_a_model_says_whether_its_code_is_trusted():
    found = {
        str(path.relative_to(REPOSITORY)): lines
        for path in SOURCES
        if (lines := silent_loaders(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert not found


@pytest.mark.parametrize(
    ("line", "is_silent"),
    [
        ("x = AutoConfig.from_pretrained(folder)", True),
        ("x = AutoConfig.from_pretrained(folder, **options)", True),
        ("build = AutoModel.from_config", True),
        ("x = AutoConfig.from_pretrained(folder, trust_remote_code=False)", False),
    ],
)
def test_a_silent_loader_is_found(line, is_silent):
    assert bool(silent_loaders(ast.parse(line))) == is_silent


def test_whatever_opens_an_image_says_which_decoders_may_see_it():
    found = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "Image.open"
        and not any(keyword.arg == "formats" for keyword in node.keywords)
    ]
    assert not found


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


def test_the_command_line_silences_transformers_before_it_is_imported():
    code = "import sys, flows.cli.main; sys.exit('transformers.utils.logging' in sys.modules)"
    call("python", "-c", code, cwd=REPOSITORY)
