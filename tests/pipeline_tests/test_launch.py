import socket
import time
from types import SimpleNamespace

import pytest

from pipeline.errors import ConfigError
from pipeline.launch import WorkerEvent, WorkersProgress, launch
from pipeline.progress import Event, listening


def test_a_port_in_use_is_explained_before_anything_starts(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            launch(tmp_path / "job.json", num_processes=1, master_port=port)
    assert str(caught.value) == (
        f"port {port} (LLAVA_JP_MASTER_PORT) cannot be used: Address already in use; "
        "unset the variable to use any free port, or stop the program that holds it"
    )
    assert list(tmp_path.iterdir()) == []


def test_workers_that_die_show_the_end_of_what_they_said(tmp_path):
    # There is no job file: the worker's traceback is all there is to go by.
    with pytest.raises(RuntimeError, match=r"(?s)the workers of .*job\.json stopped with code \d+:.*job\.json"):
        launch(tmp_path / "job.json", num_processes=1, master_port=None)
    assert "job.json" in (tmp_path / "worker.log").read_text(encoding="utf-8")


def test_a_worker_that_fails_takes_the_others_with_it(tmp_path, monkeypatch):
    # Rank 1 fails, since there is no job file; rank 0 waits, as in a collective operation.
    wait = "import os, time\nif os.environ.get('RANK') == '0':\n    time.sleep(600)\n"
    (tmp_path / "sitecustomize.py").write_text(wait, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    started = time.monotonic()
    with pytest.raises(RuntimeError, match=r"(?s)job\.json stopped with code -15.*No such file or directory"):
        launch(tmp_path / "job.json", num_processes=2, master_port=None)
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
    launch(tmp_path / "job.json", num_processes=2, master_port=None)
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
