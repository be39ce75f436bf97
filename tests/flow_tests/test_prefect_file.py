import importlib
import os
import shutil
import subprocess
import sys

import yaml
from prefect import Flow

from flows.runtime.deployments import PREFECT_FILE, engine_command, with_deployments
from tests.support.commands import REPOSITORY

TEXT = (REPOSITORY / PREFECT_FILE).read_text(encoding="utf-8")


def deployments(text):
    """Entry points by name of flow and deployment."""
    found = {}
    for deployment in yaml.safe_load(text)["deployments"]:
        module, _, function = deployment["entrypoint"].partition(":")
        flow = getattr(importlib.import_module(module), function)
        found[f"{flow.name}/{deployment['name']}"] = deployment["entrypoint"]
    return found


def test_every_flow_has_a_deployment():
    modules = [importlib.import_module(f"flows.{path.stem}") for path in (REPOSITORY / "flows").glob("[a-z]*.py")]
    flows = [
        (module.__name__, name, flow) for module in modules for name, flow in vars(module).items() if type(flow) is Flow
    ]
    expected = {f"{flow.name}/{flow.name}": f"{module}:{name}" for module, name, flow in flows}
    found = deployments(TEXT)
    assert {name: entry for name, entry in found.items() if len(set(name.split("/"))) == 1} == expected


def test_every_experiment_has_a_deployment():
    assert with_deployments(TEXT) == TEXT, "prefect.yaml is not what pipeline/experiments asks for: `make deployments`"


def test_runs_start_without_the_folder_that_they_work_in_on_the_path():
    parsed = yaml.safe_load(TEXT)
    (pull,), (step,) = parsed["pull"], parsed["build"]
    assert pull == {"flows.runtime.deployments.work_in": {"directory": "{{ $PWD }}"}}
    assert step == {"flows.runtime.deployments.engine_command": {"id": "engine"}}
    assert {one["work_pool"]["job_variables"]["command"] for one in parsed["deployments"]} == {"{{ engine.command }}"}
    assert engine_command() == {
        "command": f"{sys.executable} -E -P {REPOSITORY / 'flows' / 'runtime' / 'engine.py'}",
    }


ASK = """
from flows.run_experiment import run_experiment
from flows.runtime.deployments import with_deployments
from pipeline.config.experiment import ExperimentName, load_experiment
print(load_experiment("mine").description)
print("mine" in run_experiment.parameters.definitions["ExperimentName"]["enum"])
print(with_deployments(open("prefect.yaml", encoding="utf-8").read()).count("mine"))
"""


def test_an_experiment_is_one_file_and_nothing_else(tmp_path):
    for package in ("flows", "pipeline", "model"):
        shutil.copytree(REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / PREFECT_FILE, tmp_path)
    (tmp_path / "pipeline" / "experiments" / "mine.yaml").write_text(
        "extends: smoke\nname: mine\ndescription: a file and nothing else\n", encoding="utf-8"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split("\n") == ["a file and nothing else", "True", "2", ""], done.stderr
