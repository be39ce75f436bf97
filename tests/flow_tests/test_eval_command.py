"""``llava-jp eval``: stored answers and a model behind an endpoint beside an experiment."""

import json

import pytest
from mlflow.tracking import MlflowClient
from typer.testing import CliRunner

from flows.cli.main import app
from pipeline.store.queries import run_query
from tests.evaluation_tests.test_endpoint_answers import serving
from tests.support.commands import copied
from tests.support.judge_server import completion


def test_a_model_behind_no_endpoint_is_refused_before_anything_starts(tmp_path, monkeypatch):
    for name in ("LLAVA_JP_MODEL_API_KEY", "OPENAI_API_KEY", "LLAVA_JP_MODEL_BASE_URL", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))
    monkeypatch.setattr("flows.cli.eval.require_prefect", lambda: pytest.fail("Prefect was asked first"))
    done = CliRunner().invoke(app, ["eval", "--model", "endpoint:foo", "--benchmarks", "smoke"])
    assert done.exit_code == 1
    assert "nothing says where foo is: set LLAVA_JP_MODEL_BASE_URL" in done.output


@pytest.mark.slow
def test_models_of_all_kinds_stand_beside_experiments(commands, smoke, tmp_path):
    store = copied(smoke[1], tmp_path)
    (answers,) = store.glob("artifacts/predictions/*/predictions.jsonl")
    stored = commands.llava_jp(store, "eval", "--model", str(answers), "--benchmarks", "smoke", "--name", "stored")
    assert (stored.returncode, stored.stderr) == (0, ""), stored.stdout
    with serving(lambda text, _: completion("赤")) as (url, sent):
        eval_red = ("eval", "--model", "endpoint:red", "--benchmarks", "smoke")
        red = commands.llava_jp(store, *eval_red, LLAVA_JP_MODEL_BASE_URL=url)
        assert (red.returncode, red.stderr) == (0, ""), red.stdout
        assert len(sent) == 24
    compared = commands.llava_jp(store, "compare", "smoke", "stored", "red")
    assert (compared.returncode, compared.stderr) == (0, ""), compared.stdout
    assert "Paired differences" in compared.stdout
    rows = run_query("scores_by_category", store_root=store, parameters={"experiment": "red"}).rows
    assert rows
    client = MlflowClient(f"sqlite:///{store / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'llava-jp'")
    runs = client.search_runs([experiment.experiment_id], "tags.experiment = 'red'")
    (run,) = [one for one in runs if "mlflow.parentRunId" not in one.data.tags]
    assert run.data.params["model.model"] == "red"
    assert "shapes-ja/all/exact_match" in run.data.metrics
    config = json.loads((store / "evaluations" / "red.json").read_text(encoding="utf-8"))["evaluation"]
    assert config["model"]["model"] == "red"
