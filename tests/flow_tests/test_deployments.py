"""`prefect.yaml` against a Prefect server: deploy, run, refuse, cancel; what Prefect and MLflow show afterwards."""

import json
import re

import httpx
import pytest
from mlflow.tracking import MlflowClient

from pipeline.config.experiment import ExperimentName, load_experiment
from tests.support.commands import PREFECT, copied, stop, training_processes, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")]  # MLflow's own

FLOWS = ("run-experiment", "prepare-data", "cache-features", "train", "evaluate", "compare", "evaluate-model")
MADE_AGAIN = ("predictions", "scores", "comparison")
"""Steps the deployed run has left to do, so that it takes seconds."""


class Server:
    """Asks the Prefect server what it knows."""

    def __init__(self, api):
        self.http = httpx.Client(base_url=api, timeout=60)

    def get(self, path):
        return self._checked(self.http.get(path))

    def post(self, path, **body):
        return self._checked(self.http.post(path, json=body))

    def _checked(self, response):
        assert response.is_success, response.text
        return response.json()


@pytest.fixture(scope="module")
def server(commands):
    return Server(commands.environment["PREFECT_API_URL"])


@pytest.fixture(scope="module")
def deployed(commands, server):
    """Names of all deployments, as ``flow/deployment``."""
    for command in (("work-pool", "create", "local", "--type", "process"), ("--no-prompt", "deploy", "--all")):
        done = commands.prefect(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    flows = {flow["id"]: flow["name"] for flow in server.post("/flows/filter")}
    return {f"{flows[one['flow_id']]}/{one['name']}": one for one in server.post("/deployments/filter")}


@pytest.fixture(scope="module")
def store(smoke, tmp_path_factory):
    """The store that the worker's runs use."""
    return copied(smoke[1], tmp_path_factory.mktemp("deployed"), without=MADE_AGAIN)


@pytest.fixture(scope="module")
def worker(commands, deployed, store, tmp_path_factory):
    """A worker that starts what is scheduled."""
    process = commands.started(
        *(*PREFECT, "worker", "start", "--pool", "local"),
        log=tmp_path_factory.mktemp("worker") / "worker.log",
        LLAVA_JP_STORE=str(store),
        PREFECT_WORKER_QUERY_SECONDS="1",
    )
    yield process
    stop(process)


@pytest.fixture(scope="module")
def completed(commands, worker, server):
    """Id of a finished run of run-experiment/smoke."""
    done = commands.prefect("deployment", "run", "run-experiment/smoke", "--watch", "--watch-interval", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    return re.search(r"UUID: ([0-9a-f-]{36})", done.stdout)[1]


def test_every_flow_is_deployed_and_every_experiment(deployed):
    experiments = {f"run-experiment/{experiment}" for experiment in ExperimentName}
    assert set(deployed) == {*(f"{flow}/{flow}" for flow in FLOWS), *experiments}


@pytest.mark.parametrize("flow", [flow for flow in FLOWS if flow not in ("compare", "evaluate-model")])
def test_the_form_of_a_flow_offers_the_experiments(deployed, flow):
    schema = deployed[f"{flow}/{flow}"]["parameter_openapi_schema"]
    assert schema["definitions"]["ExperimentName"]["enum"] == list(ExperimentName)
    assert schema["properties"]["experiment"]["default"] == "smoke"


def test_a_deployed_run_completes(server, completed):
    run = server.get(f"/flow_runs/{completed}")
    assert run["state"]["type"] == "COMPLETED", run["state"]


def test_the_run_page_has_a_progress_bar_a_table_and_a_chart(server, completed):
    artifacts = server.post("/artifacts/filter", artifacts={"flow_run_id": {"any_": [completed]}})
    keys = {(artifact["type"], artifact["key"]) for artifact in artifacts}
    assert keys >= {
        ("progress", "predictions-shapes-ja-answer-questions"),
        ("table", "samples-finetune"),
        ("table", "translation-checks-finetune"),
        ("table", "translation-examples-finetune"),
        ("table", "contamination-finetune"),
        ("table", "answers-shapes-ja"),
        ("table", "scores-shapes-ja"),
        ("table", "scores"),
        ("table", "sample-answers"),
        ("image", "radar"),
        ("markdown", "report"),
    }
    (progress,) = (artifact for artifact in artifacts if artifact["type"] == "progress" and "answer" in artifact["key"])
    assert progress["data"] == 100
    (chart,) = (artifact["data"] for artifact in artifacts if artifact["type"] == "image")
    assert chart.startswith("data:image/png;base64,")


def test_the_log_of_the_run_has_our_lines(server, completed):
    def messages():
        logs = server.post("/logs/filter", logs={"flow_run_id": {"any_": [completed]}}, limit=200)
        return "\n".join(line["message"] for line in logs)

    wait_until(lambda: "answer questions: 24 items in" in messages(), seconds=10, what="the log has arrived")
    assert "smoke: 11 of 13 steps are already done" in messages()
    assert "already done" in messages()


def test_mlflow_links_the_run_to_prefect_and_has_its_scores(store, completed):
    client = MlflowClient(f"sqlite:///{store / 'mlflow.db'}")
    (parent,) = parents(client)
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["prefect.flow_run_id"] == completed
    assert parent.data.tags["pretrain.status"] == "was already done"
    assert parent.data.tags["predictions/shapes-ja.status"] == "made by this run"
    metrics = set(parent.data.metrics)
    assert {"shapes-ja/all/exact_match", "shapes-ja/all/rougeL", "shapes-ja/all/rougeL/category/counting"} <= metrics
    assert "samples.json" in {file.path for file in client.list_artifacts(parent.info.run_id)}


def parents(client):
    """Runs of the experiment that are not runs of a step, the latest first."""
    (experiment,) = client.search_experiments(filter_string="name = 'llava-jp'")
    runs = client.search_runs([experiment.experiment_id], "tags.experiment = 'smoke'")
    return [run for run in runs if "mlflow.parentRunId" not in run.data.tags]


def test_mlflow_has_a_child_run_for_each_step_with_its_datasets(smoke):
    _, full = smoke
    client = MlflowClient(f"sqlite:///{full / 'mlflow.db'}")
    parent = parents(client)[-1]  # the first run; later ones found everything done
    found = client.search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    children = {run.data.tags["step"]: run for run in found}
    index = json.loads((full / "experiments" / "smoke.json").read_text(encoding="utf-8"))
    fingerprints = {step["role"]: step["fingerprint"] for step in index["steps"]}
    assert {role: run.data.tags["fingerprint"] for role, run in children.items()} == fingerprints
    digests = {one.dataset.digest for one in children["finetune"].inputs.dataset_inputs}
    assert digests == {fingerprints["dataset/finetune"]}
    losses = client.get_metric_history(children["finetune"].info.run_id, "loss")
    assert [metric.step for metric in losses] == list(range(1, 13))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"experiment": "nope"}, "'nope' is not"),
        ({"experiment": {**load_experiment("smoke").model_dump(mode="json"), "finetun": {}}}, "finetun"),
    ],
)
def test_a_wrong_parameter_is_refused_when_the_run_is_created(server, deployed, parameters, message):
    deployment = deployed["run-experiment/smoke"]["id"]
    response = server.http.post(f"/deployments/{deployment}/create_flow_run", json={"parameters": parameters})
    assert response.status_code in (409, 422)
    assert message in response.text


def test_the_command_refuses_a_wrong_parameter(commands, deployed):
    done = commands.prefect("deployment", "run", "run-experiment/smoke", "--param", 'experiment="nope"')
    assert done.returncode != 0
    assert "nope" in done.stdout + done.stderr


@pytest.mark.long
def test_cancelling_a_run_ends_its_training(commands, server, worker, deployed, completed, store):
    config = load_experiment("smoke", ["finetune.num_epochs=5000"]).model_dump(mode="json")
    deployment = deployed["train/train"]["id"]
    state = {"type": "SCHEDULED", "name": "Scheduled"}
    run = server.post(f"/deployments/{deployment}/create_flow_run", parameters={"experiment": config}, state=state)
    wait_until(lambda: training_processes(store), seconds=60, what="training has started")
    done = commands.prefect("flow-run", "cancel", run["id"])
    assert done.returncode == 0, done.stdout + done.stderr
    wait_until(lambda: not training_processes(store), seconds=60, what="training has ended")

    def cancelled():
        return server.get(f"/flow_runs/{run['id']}")["state"]["type"] == "CANCELLED"

    wait_until(cancelled, seconds=120, what="Prefect says so")  # first it looks for hooks, in a process of its own
