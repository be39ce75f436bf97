"""A run that is killed, wherever, and started again publishes what an undisturbed run publishes, bit for bit."""

import os
import re
import signal
import sys

import pytest
from mlflow.tracking import MlflowClient

from pipeline.store.artifacts import ArtifactStore
from pipeline.tracking.mlflow.database import make_database
from tests.support.commands import LLAVA_JP, LONGER, Commands, copied, stop, training_processes, wait_until

NUM_OPTIMIZER_STEPS = 60
"""Of the killed training: five epochs of 96 samples."""
TRAIN_LONGER = ("run", "smoke", *LONGER, "--set", "evaluation.benchmarks=[]")


def contents(store):
    """What each artifact of a store is, without when and in how long it was made."""
    return {
        f"{manifest.request.step}/{manifest.fingerprint}": {
            "summary": manifest.summary,
            "files": {file.path: file.sha256 for file in manifest.files},
        }
        for manifest in ArtifactStore(store).manifests()
    }


@pytest.mark.slow
@pytest.mark.long
def test_a_run_killed_in_every_step_ends_with_the_same_artifacts(commands, smoke, tmp_path):
    _, undisturbed = smoke
    places = tmp_path / "places"
    places.mkdir()
    (tmp_path / "store").mkdir()
    make_database(f"sqlite:///{tmp_path / 'store/mlflow.db'}")  # some seconds, which the first runs would not live for
    done = commands.finished(
        *(sys.executable, "-m", "tests.flow_tests.killed_often", str(places)),
        seconds=500,
        LLAVA_JP_STORE=str(tmp_path / "store"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    killed_at = {path.name for path in places.iterdir()}
    steps = {name.partition("/")[0] for name in contents(undisturbed)} - {"feature_shard"}
    assert killed_at == {*steps, "between shards", "between answers"}
    assert contents(tmp_path / "store") == contents(undisturbed)
    assert not list((tmp_path / "store").glob("partial/*/*"))
    assert not list((tmp_path / "store").rglob("*.tmp"))
    assert "features: 16 of 48 images are cached, 32 to encode" in done.stdout  # the finished shard was kept


def finetuned(store):
    """The second stages in a store, by fingerprint."""
    return {name: content for name, content in contents(store).items() if name.startswith("finetune/")}


@pytest.mark.slow
@pytest.mark.long
def test_a_stop_of_every_process_of_a_run_is_a_stop_and_no_crash(commands, smoke, tmp_path):
    """As ``timeout``, systemd and Slurm do it; the run has Prefect's temporary server."""
    store = copied(smoke[1], tmp_path)
    settings = {name: value for name, value in commands.environment.items() if name != "PREFECT_API_URL"}
    endless = ("run", "smoke", "--set", "finetune.num_epochs=5000")
    places = {"LLAVA_JP_STORE": str(store), "LLAVA_JP_CHECKPOINT_EVERY": "30", "PREFECT_HOME": str(tmp_path / "home")}
    run = Commands(settings).started(*LLAVA_JP, *endless, log=tmp_path / "log", **places)
    try:
        saved = "partial/finetune/*/work/checkpoints/optimizer_step-*"
        wait_until(lambda: list(store.glob(saved)), seconds=120, what="the training has saved")
        os.killpg(run.pid, signal.SIGTERM)
        assert run.wait(40) == 75, (tmp_path / "log").read_text()
    finally:
        stop(run)
    said = (tmp_path / "log").read_text()
    assert "finetune was asked to stop: saved at optimizer step" in said
    assert "Traceback" not in said
    assert not training_processes(store)


@pytest.mark.slow
@pytest.mark.long
def test_killed_training_saves_leaves_no_process_and_goes_on_where_it_was(commands, smoke, longer, tmp_path):
    _, undisturbed = longer
    store = copied(smoke[1], tmp_path)
    settings = {"LLAVA_JP_STORE": str(store), "LLAVA_JP_CHECKPOINT_EVERY": "30"}
    run = commands.started(*LLAVA_JP, *TRAIN_LONGER, log=tmp_path / "log", **settings)

    def checkpoints():
        found = store.glob(f"partial/finetune/*/work/checkpoints/optimizer_step-{'[0-9]' * 8}")
        return sorted(int(path.name.partition("-")[2]) for path in found)

    try:
        wait_until(checkpoints, seconds=120, what="half of the training is done")
        assert training_processes(store)
    finally:
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    again = commands.llava_jp(store, *TRAIN_LONGER)  # waits for the processes that still save
    assert again.returncode == 0, again.stdout + again.stderr
    start = int(re.search(r"finetune: goes on at (\d+) of 60 optimizer steps", again.stdout)[1])
    assert NUM_OPTIMIZER_STEPS // 2 <= start < NUM_OPTIMIZER_STEPS
    assert finetuned(store) == finetuned(undisturbed)
    assert not training_processes(store)
    client = MlflowClient(f"sqlite:///{store}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'llava-jp'")
    where = "tags.step = 'finetune' and attributes.status = 'FINISHED'"
    (made,) = client.search_runs([experiment.experiment_id], where)
    losses = client.get_metric_history(made.info.run_id, "loss")
    assert [metric.step for metric in losses] == list(range(1, NUM_OPTIMIZER_STEPS + 1))  # none lost, none twice
