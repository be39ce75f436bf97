import io
import os
import socket
import subprocess
import sys
import time
from collections import deque
from types import SimpleNamespace

import pytest

from pipeline.compute.devices import descriptors_held, held_alone
from pipeline.compute.hosts import Host
from pipeline.compute.launch import RUN_MODULE, WorkerEvent, WorkersProgress, _Workers, _WorkersOutput, launch
from pipeline.core.errors import ConfigError, StoppedError, WorkerError
from pipeline.core.progress import Event, listening


def test_a_port_in_use_is_explained_before_anything_starts(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            launch(tmp_path / "job.json", hosts=[Host("localhost", 1)], master_port=port, seconds_to_stop=120)
    assert str(caught.value) == (
        f"port {port} (LLAVA_JP_MASTER_PORT) cannot be used: Address already in use; "
        "unset the variable to use any free port, or stop the program that holds it"
    )
    assert list(tmp_path.iterdir()) == []


def test_workers_that_die_show_the_end_of_what_they_said(tmp_path):
    # There is no job file: the worker's traceback is all there is to go by.
    with pytest.raises(RuntimeError, match=r"(?s)the workers of .*job\.json stopped with code \d+:.*job\.json"):
        launch(tmp_path / "job.json", hosts=[Host("localhost", 1)], master_port=None, seconds_to_stop=120)
    assert "job.json" in (tmp_path / "worker.log").read_text(encoding="utf-8")


def test_what_workers_say_is_kept_without_secrets(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_open-sesame")
    output, log_file = _WorkersOutput(deque(maxlen=5), []), io.StringIO()
    output.update("cannot reach http://me:pass@host with hf_open-sesame\n", log_file)
    assert log_file.getvalue() == "cannot reach http://…@host with …\n"
    assert list(output.last_lines) == ["cannot reach http://…@host with …"]


def test_a_worker_that_fails_takes_the_others_with_it(tmp_path, monkeypatch):
    # Rank 1 fails, since there is no job file; rank 0 waits, as in a collective operation.
    wait = "import os, time\nif os.environ.get('RANK') == '0':\n    time.sleep(600)\n"
    (tmp_path / "sitecustomize.py").write_text(wait, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    started = time.monotonic()
    with pytest.raises(RuntimeError, match=r"(?s)job\.json stopped with code -15.*No such file or directory"):
        launch(tmp_path / "job.json", hosts=[Host("localhost", 2)], master_port=None, seconds_to_stop=120)
    assert time.monotonic() - started < 300


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((0, 0), None),
        ((0, -9), "SIGKILL"),
        ((75, -9), "SIGKILL"),  # the other one saved and left
        ((-15, -11), "SIGSEGV"),
        ((-9, 1), None),  # the other one says what is wrong
        ((75, 75), None),
    ],
)
def test_a_worker_that_was_killed_is_told_from_one_that_failed(codes, expected):
    workers = object.__new__(_Workers)
    workers._processes = [SimpleNamespace(returncode=code) for code in codes]
    found = workers.killed_by()
    assert (found and found.name) == expected


def test_a_worker_that_was_killed_is_one_message(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.compute.launch.WORKER", (sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"))
    work = tmp_path / "finetune" / "work"
    work.mkdir(parents=True)
    with pytest.raises(WorkerError) as caught:
        launch(work / "job.json", hosts=[Host("localhost", 1)], master_port=None, seconds_to_stop=120)
    assert str(caught.value) == (
        f"a process of {tmp_path}/finetune was ended from outside by SIGKILL; a system that runs out of memory does "
        f"that, and a scheduler at its limit; its last lines are in {work}/worker.log. What is saved is kept: the same "
        "command goes on from there"
    )


def hostile(folder):
    """Modules named like those that workers import, which say that they ran."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("grp", "json", "random", "torch", "uuid", "yaml", "pipeline"):
        (folder / f"{name}.py").write_text(f"raise SystemExit('{name}.py beside the data ran')\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("on_the_path", [[], [""], ["."]])
def test_nothing_in_the_working_directory_is_imported_by_a_worker(tmp_path, monkeypatch, on_the_path):
    monkeypatch.chdir(hostile(tmp_path / "data"))
    monkeypatch.setattr("sys.path", [*on_the_path, *sys.path])
    monkeypatch.setattr("pipeline.compute.launch.WORKER", (*RUN_MODULE, "pipeline.compute.hosts"))  # it only imports
    (tmp_path / "job.json").write_text("{}")
    launch(tmp_path / "job.json", hosts=[Host("localhost", 1)], master_port=None, seconds_to_stop=120)
    assert (tmp_path / "worker.log").read_text(encoding="utf-8") == ""


def test_our_modules_run_from_anywhere_and_nothing_beside_the_data_does(tmp_path):
    data = hostile(tmp_path / "data")
    command = [*RUN_MODULE, "pipeline.compute.cuda_devices"]  # imports uuid
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=data, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


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
    launch(tmp_path / "job.json", hosts=[Host("localhost", 2)], master_port=None, seconds_to_stop=120)
    assert "encode images: 400 images in " in caplog.text


def test_a_line_of_a_worker_is_written_in_one_piece(monkeypatch):
    written = []
    monkeypatch.setattr("sys.stdout", SimpleNamespace(write=written.append, flush=lambda: None))
    WorkerEvent("encode images", 0, 1, 2, "images").report()
    (line,) = written
    assert line.startswith('@progress {"name": "encode images", "start": 0, "count": 1, "total": 2')
    assert line.endswith("}\n")


def test_figures_tables_and_flags_of_a_worker_reach_whoever_listens(tmp_path):
    events, workers = [], WorkersProgress()
    with listening(events.append):
        workers.update(WorkerEvent("pretrain", 4, 0, 9, "optimizer steps"))
        workers.update(
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
        launch(leaving, hosts=[Host("localhost", 2)], master_port=None, seconds_to_stop=120)
    assert caplog.messages == ["saved at optimizer step 7"]


def test_a_worker_that_does_not_leave_in_time_is_killed(leaving, monkeypatch, caplog):
    monkeypatch.setenv("STUBBORN", "0")
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), listening(interrupt):
        launch(leaving, hosts=[Host("localhost", 1)], master_port=None, seconds_to_stop=0.5)
    assert 0.5 < time.monotonic() - started < 60
    assert caplog.messages == []


def test_workers_that_were_asked_by_somebody_else_end_the_launch_with_what_they_saved(leaving, monkeypatch):
    monkeypatch.setenv("ASKED", "1")
    with pytest.raises(StoppedError, match="^saved at optimizer step 7$"):
        launch(leaving, hosts=[Host("localhost", 2)], master_port=None, seconds_to_stop=120)


def test_a_launch_waits_for_workers_of_an_earlier_one_that_still_hold_the_job(tmp_path, caplog):
    caplog.set_level("INFO")
    with held_alone(tmp_path / "workers.lock", "not yet"):
        (worker_of_an_earlier_run := subprocess.Popen(["sleep", "2"], pass_fds=descriptors_held()))
    with pytest.raises(RuntimeError, match="job.json stopped with code"):
        launch(tmp_path / "job.json", hosts=[Host("localhost", 1)], master_port=None, seconds_to_stop=120)
    assert worker_of_an_earlier_run.poll() == 0
    assert "processes of an earlier run of this job still save" in caplog.text


def fake_ssh(folder, monkeypatch, script):
    """An ``ssh`` that runs the last of its arguments here, or does what the script says."""
    folder.mkdir(exist_ok=True)
    (folder / "ssh").write_text(f"#!/bin/sh\nfor last; do :; done\n{script}\n", encoding="utf-8")
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


FAR_AWAY = """
import os, signal, sys, time
if "RANK" in os.environ:
    if os.environ["RANK"] == "0":
        time.sleep(1)
        sys.exit("rank 0 has failed")
    def stopped(*_):
        print("asked to stop with", os.environ["NCCL_DEBUG"], os.environ["HF_TOKEN"] == "hidden", flush=True)
        os._exit(3)
    signal.signal(signal.SIGTERM, stopped)
"""


def test_a_far_worker_gets_settings_and_secrets_unseen_and_is_asked_to_stop_when_another_fails(tmp_path, monkeypatch):
    fake_ssh(tmp_path / "bin", monkeypatch, f'echo "$@" >> {tmp_path}/ssh.log\nexec env -i sh -c "$last"')
    (tmp_path / "sitecustomize.py").write_text(FAR_AWAY, encoding="utf-8")
    (tmp_path / "torch.py").write_text("", encoding="utf-8")  # the real one takes seconds
    os.mkfifo(tmp_path / "job.json")  # a worker waits for its job, as it would in a collective operation
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("NCCL_DEBUG", "INFO")
    monkeypatch.setenv("HF_TOKEN", "hidden")
    hosts = [Host("localhost", 1), Host("127.0.0.2", 1)]
    with pytest.raises(RuntimeError, match="stopped with code 1"):
        launch(tmp_path / "job.json", hosts=hosts, master_port=None, seconds_to_stop=120)
    log = (tmp_path / "worker.log").read_text(encoding="utf-8")
    assert "rank 0 has failed" in log
    assert "asked to stop with INFO True" in log
    assert "hidden" not in (tmp_path / "ssh.log").read_text(encoding="utf-8")


def test_a_machine_that_cannot_be_reached_is_shown(tmp_path, monkeypatch):
    fake_ssh(tmp_path / "bin", monkeypatch, 'echo "ssh: Could not resolve hostname node9"; exit 255')
    (tmp_path / "sitecustomize.py").write_text("import os, time\n'RANK' in os.environ and time.sleep(600)\n")
    monkeypatch.syspath_prepend(tmp_path)
    started = time.monotonic()
    with pytest.raises(RuntimeError, match="ssh: Could not resolve hostname node9"):
        launch(
            tmp_path / "job.json", hosts=[Host("localhost", 1), Host("node9", 1)], master_port=None, seconds_to_stop=120
        )
    assert time.monotonic() - started < 300


def test_other_machines_without_ssh_are_refused_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="the host file names other machines, and there is no ssh here to reach them"):
        launch(tmp_path / "job.json", hosts=[Host("node9", 1)], master_port=None, seconds_to_stop=120)
