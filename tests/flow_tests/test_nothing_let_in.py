"""Nothing that lies beside somebody's data is ever code: neither in the working directory, nor in the store."""

import os
import shlex
import sys
from uuid import UUID

import pytest

from flows.runtime.deployments import engine_command, work_in
from flows.runtime.engine import folders_of_modules
from tests.support.commands import REPOSITORY, Commands, clean_environment

NAMES = (
    *("grp", "random", "typing_extensions", "json", "uuid", "secrets", "sqlite3", "multiprocessing", "yaml", "torch"),
    *("numpy", "PIL", "transformers", "tokenizers", "deepspeed", "prefect", "uvicorn", "mlflow", "alembic", "duckdb"),
    *(
        "pyarrow",
        "flows",
        "pipeline",
        "model",
        "sitecustomize",
        "usercustomize",
        "rouge_score",
        "fugashi",
        "matplotlib",
    ),
)
SCRIPT = "from flows.cli.main import main\nmain()\n"
"""What an installation makes of the command."""


def hostile_modules(folder, ran):
    for name in NAMES:
        (folder / f"{name}.py").write_text(f"open({str(ran)!r}, 'a').write({name!r})\nraise SystemExit")


@pytest.mark.slow
@pytest.mark.long
def test_modules_beside_the_data_and_in_the_store_do_not_run(tmp_path):
    data = tmp_path / "data"
    for folder in (data, data / "store"):
        folder.mkdir()
        hostile_modules(folder, tmp_path / "ran")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "llava-jp").write_text(SCRIPT)
    commands = Commands({**clean_environment(tmp_path), "PYTHONPATH": str(REPOSITORY)}, folder=data)
    settings = {"LLAVA_JP_STORE": "store", "LLAVA_JP_NUM_PROCESSES": "2", "LLAVA_JP_NUM_DECODERS": "1"}
    done = commands.finished(sys.executable, str(tmp_path / "bin" / "llava-jp"), "run", "smoke", **settings)
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.long
def test_a_deployed_run_imports_nothing_of_the_folder_that_it_works_in(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    hostile_modules(data, tmp_path / "ran")
    environment = {
        **clean_environment(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(data), str(REPOSITORY)]),  # as Prefect's worker sets it
        "PREFECT_API_URL": "http://127.0.0.1:9/api",  # nobody is there: the run cannot begin, with everything imported
        "PREFECT_CLIENT_MAX_RETRIES": "0",
        "PREFECT__FLOW_RUN_ID": str(UUID(int=1)),
        "PREFECT__FLOW_ENTRYPOINT": "flows.run_experiment:run_experiment",
    }
    done = Commands(environment, folder=data).finished(*shlex.split(engine_command()["command"]))
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()
    assert "ConnectError" in done.stderr


def test_what_prefect_put_first_on_the_path_is_not_passed_on(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    monkeypatch.chdir(tmp_path / "data")
    named = [str(tmp_path / "link"), "", ".", str(tmp_path / "lib"), str(tmp_path / "data")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(named))
    assert folders_of_modules() == [str(tmp_path / "lib")]


def test_a_run_works_in_its_folder_with_the_flows_imported_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    assert work_in(str(tmp_path / "data")) == {"directory": str(tmp_path / "data")}
    assert os.getcwd() == str(tmp_path / "data")
    assert {"flows.run_experiment", "flows.evaluate_model", "flows.compare"} <= sys.modules.keys()
