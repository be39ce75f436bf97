import socket
import subprocess
import time
from types import SimpleNamespace

import pytest

from pipeline.devices import descriptors_held, held_alone
from pipeline.errors import ConfigError, StoppedError
from pipeline.hosts import Host
from pipeline.launch import WorkerEvent, WorkersProgress, launch
from pipeline.progress import Event, listening


def test_a_port_in_use_is_explained_before_anything_starts(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            launch(tmp_path / "job.json", hosts=[Host("localhost", 1)], master_port=port)
    assert str(caught.value) == (
        f"port {port} (LLAVA_JP_MASTER_PORT) cannot be used: Address already in use; "
        "unset the variable to use any free port, or stop the program that holds it"
    )
    assert list(tmp_path.iterdir()) == []


def test_workers_that_die_show_the_end_of_what_they_said(tmp_path):
    # There is no job file: the worker's traceback is all there is to go by.
    with pytest.raises(RuntimeError, match=r"(?s)the workers of .*job\.json stopped with code \d+:.*job\.json"):
        launch(tmp_path / "job.json", hosts=[Host("localhost", 1)], master_port=None)
    assert "job.json" in (tmp_path / "worker.log").read_text(encoding="utf-8")


def test_a_worker_that_fails_takes_the_others_with_it(tmp_path, monkeypatch):
    # Rank 1 fails, since there is no job file; rank 0 waits, as in a collective operation.
    wait = "import os, time\nif os.environ.get('RANK') == '0':\n    time.sleep(600)\n"
    (tmp_path / "sitecustomize.py").write_text(wait, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    started = time.monotonic()
    with pytest.raises(RuntimeError, match=r"(?s)job\.json stopped with code -15.*No such file or directory"):
        launch(tmp_path / "job.json", hosts=[Host("localhost", 2)], master_port=None)
    assert time.monotonic() - started < 300


TALKATIVE = """
import json, os, sys
if "RANK" in os.environ:
    event = {"name": "encode images", "start": 0, "count": 1, "total": 400, "unit": "images", "note": "x" * 5000}
    for _ in range(200):
        sys.stdout.write("@progress " + json.dumps(event) + chr(10))
        sys.stdout.flush()
    os._exit(0)
"""


def test_lines_of_two_workers_do_not_run_into_each_other(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    (tmp_path / "sitecustomize.py").write_text(TALKATIVE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    launch(tmp_path / "job.json", hosts=[Host("localhost", 2)], master_port=None)
    assert "encode images: 400 images in " in caplog.text


def test_a_line_of_a_worker_is_written_in_one_piece(monkeypatch):
    written = []
    monkeypatch.setattr("sys.stdout", SimpleNamespace(write=written.append, flush=lambda: None))
    WorkerEvent("encode images", 0, 1, 2, "images").tell()
    (line,) = written
    assert line.startswith('@progress {"name": "encode images", "start": 0, "count": 1, "total": 2')
    assert line.endswith("}\n")


def test_figures_tables_and_flags_of_a_worker_reach_whoever_listens(tmp_path):
    events, workers = [], WorkersProgress()
    with listening(events.append):
        workers.take(WorkerEvent("pretrain", 4, 0, 9, "optimizer steps"))
        workers.take(
            WorkerEvent(
                "pretrain",
                4,
                0,
                9,
                "optimizer steps",
                rows=[{"optimizer_step": 5, "held_out_loss": 2.5}],
                tables={"answers/step-5": str(tmp_path / "answers.json")},
                flags={"loss_spike": "5"},
            )
        )
    assert events == [
        Event(
            "pretrain",
            4,
            9,
            "optimizer steps",
            [(5, {"held_out_loss": 2.5})],
            tables={"answers/step-5": tmp_path / "answers.json"},
            flags={"loss_spike": "5"},
        )
    ]


LEAVING = """
import json, os, signal, sys, time
if os.environ.get("RANK") is not None:
    def leave(*_):
        sys.stdout.write('@error {"type": "StoppedError", "message": "saved at optimizer step 7"}' + chr(10))
        sys.stdout.flush()
        os._exit(75)
    signal.signal(signal.SIGTERM, leave if os.environ["RANK"] != os.environ.get("STUBBORN") else signal.SIG_IGN)
    event = {"name": "finetune", "start": 0, "count": 1, "total": 9, "unit": "optimizer steps"}
    sys.stdout.write("@progress " + json.dumps(event) + chr(10))
    sys.stdout.flush()
    if os.environ.get("ASKED"):
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(600)
"""


@pytest.fixture
def leaving(tmp_path, monkeypatch):
    """Workers that say one event and wait to be asked to stop."""
    (tmp_path / "sitecustomize.py").write_text(LEAVING, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "job.json"


def interrupt(_event):
    raise KeyboardInterrupt


def test_an_interrupted_launch_asks_its_workers_to_save_and_says_that_they_have(leaving, caplog):
    with pytest.raises(KeyboardInterrupt), listening(interrupt):
        launch(leaving, hosts=[Host("localhost", 2)], master_port=None)
    assert caplog.messages == ["saved at optimizer step 7"]


def test_a_worker_that_does_not_leave_in_time_is_killed(leaving, monkeypatch, caplog):
    monkeypatch.setenv("STUBBORN", "0")
    monkeypatch.setenv("LLAVA_JP_SECONDS_TO_STOP", "0.5")
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), listening(interrupt):
        launch(leaving, hosts=[Host("localhost", 1)], master_port=None)
    assert 0.5 < time.monotonic() - started < 60
    assert caplog.messages == []


def test_workers_that_were_asked_by_somebody_else_end_the_launch_with_what_they_saved(leaving, monkeypatch):
    monkeypatch.setenv("ASKED", "1")
    with pytest.raises(StoppedError, match="^saved at optimizer step 7$"):
        launch(leaving, hosts=[Host("localhost", 2)], master_port=None)


def test_a_launch_waits_for_workers_of_an_earlier_one_that_still_hold_the_job(tmp_path, caplog):
    caplog.set_level("INFO")
    with held_alone(tmp_path / "workers.lock", "not yet"):
        (worker_of_an_earlier_run := subprocess.Popen(["sleep", "2"], pass_fds=descriptors_held()))
    with pytest.raises(RuntimeError, match="job.json stopped with code"):
        launch(tmp_path / "job.json", hosts=[Host("localhost", 1)], master_port=None)
    assert worker_of_an_earlier_run.poll() == 0
    assert "processes of an earlier run of this job still save" in caplog.text
