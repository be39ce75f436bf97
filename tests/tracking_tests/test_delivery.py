"""MLflow away at any moment: the work goes on, and what it said arrives later, in order, once."""

import json
import logging
import random
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from mlflow.tracking import MlflowClient
from typer.testing import CliRunner

from flows.cli.main import app
from pipeline.config.experiment import load_experiment
from pipeline.core.errors import ConfigError, TransientError
from pipeline.core.progress import Event
from pipeline.core.settings import Settings, sqlite_uri
from pipeline.store.manifest import Request
from pipeline.tracking import delivery
from pipeline.tracking.mlflow import client
from pipeline.tracking.mlflow.database import file_of
from pipeline.tracking.mlflow.server import MlflowServer
from pipeline.tracking.operation import Operation
from pipeline.tracking.outbox import Outbox
from pipeline.tracking.tracker import Tracker
from tests.support.mlflow_rest import RefusedHereError, TrackingServer

REQUEST = Request(step="pretrain", version=1, config={"stage": {"learning_rate": 0.001}})


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Pauses for tests; and variables that our server sets for its process are put back."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    monkeypatch.setattr(delivery, "FIRST_PAUSE_SECONDS", 0.02)


@pytest.fixture
def no_time_at_the_end(monkeypatch):
    monkeypatch.setattr(delivery, "SECONDS_FOR_AN_ABSENT_SERVER", 0.2)


@pytest.fixture
def server(tmp_path):
    return TrackingServer(tmp_path / "artifacts")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def settings_for(tmp_path, uri):
    return Settings(store=tmp_path / "store", tracking_uri=uri)


@contextmanager
def pretraining(settings):
    """A run of an experiment in its first stage."""
    with (
        Tracker(settings).experiment_run(load_experiment("smoke"), tags={}) as run,
        run.step("pretrain", REQUEST, []) as step,
    ):
        yield step


def report(step, optimizer_step, loss):
    step.on_progress(Event("pretrain", optimizer_step, 9, "optimizer steps", [(optimizer_step, {"loss": loss})]))


def wait_until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def spools(settings):
    return sorted((settings.store_root / "mlflow-outbox").glob("*-*"))


@pytest.mark.usefixtures("no_time_at_the_end")
def test_a_run_that_began_and_ended_without_mlflow_is_delivered_later(tmp_path, server, caplog):
    port = free_port()
    settings = settings_for(tmp_path, f"http://127.0.0.1:{port}")
    before = time.time_ns() // 1_000_000
    with pretraining(settings) as step:
        report(step, 1, 5.0)
        report(step, 2, 4.0)
    after = time.time_ns() // 1_000_000
    (spool,) = spools(settings)
    assert (
        f"operations for MLflow at http://127.0.0.1:{port} wait in {spool}: the next `llava-jp run`, or" in caplog.text
    )
    with pytest.raises(TransientError, match=f"MLflow at http://127.0.0.1:{port} does not answer .* stays in"):
        Tracker(settings).deliver()
    with server.listening(port):
        assert Tracker(settings).deliver() > 0
    assert server.history("loss") == [(1, 5.0), (2, 4.0)]
    parent, child = server.run_named("smoke"), server.run_named("pretrain")
    assert (parent["info"]["status"], child["info"]["status"]) == ("FINISHED", "FINISHED")
    assert server.tags("pretrain")["mlflow.parentRunId"] == parent["info"]["run_id"]
    assert {"key": "stage.learning_rate", "value": "0.001"} in child["data"]["params"]
    assert before <= int(parent["info"]["start_time"]) <= int(parent["info"]["end_time"]) <= after
    assert json.loads((server.artifacts / parent["info"]["run_id"] / "experiment.json").read_text())["name"] == "smoke"
    assert spools(settings) == []


FAULTS = ([], ["hang up"], ["500", "500", "hang up"], ["applied"], ["slow"], ["500", "500", "applied"])


def test_each_figure_arrives_once_and_in_order_through_every_kind_of_failure(tmp_path, server, caplog):
    caplog.set_level(logging.INFO, "pipeline")
    with server.listening() as uri, pretraining(settings_for(tmp_path, uri)) as step:
        wait_until(lambda: step.run_id)
        for optimizer_step, faults in enumerate(FAULTS, start=1):
            server.faults["runs/log-batch"] = list(faults)
            report(step, optimizer_step, 10.0 - optimizer_step)
            wait_until(lambda now=optimizer_step: len(server.history("loss")) >= now)
    assert server.history("loss") == [(1, 9.0), (2, 8.0), (3, 7.0), (4, 6.0), (5, 5.0), (6, 4.0)]
    assert server.run_named("pretrain")["info"]["status"] == "FINISHED"
    assert f"MLflow at {uri} answers again: what waited is delivered" in caplog.messages


def test_an_absence_is_said_once_and_so_is_its_end(tmp_path, server, caplog):
    caplog.set_level(logging.INFO, "pipeline")
    port = free_port()
    settings = settings_for(tmp_path, f"http://127.0.0.1:{port}")
    with pretraining(settings) as step:
        for optimizer_step in range(1, 6):
            report(step, optimizer_step, 5.0)
            time.sleep(0.05)
        wait_until(lambda: caplog.messages)
        with server.listening(port):
            wait_until(lambda: len(server.history("loss")) == 5)
            wait_until(lambda: len(caplog.messages) == 2)
            report(step, 6, 5.0)
            wait_until(lambda: len(server.history("loss")) == 6)
        away, back = caplog.messages
    assert away.startswith(f"MLflow at http://127.0.0.1:{port} does not answer ([Errno 111] Connection refused); ")
    assert away.endswith(f"the run goes on, and what is meant for it waits in {settings.store_root / 'mlflow-outbox'}")
    assert back == f"MLflow at http://127.0.0.1:{port} answers again: what waited is delivered"


def test_runs_that_were_created_without_an_answer_are_not_created_twice(tmp_path, server):
    server.faults["runs/create"] = ["applied", "500", "applied"]
    with server.listening() as uri, pretraining(settings_for(tmp_path, uri)) as step:
        wait_until(lambda: step.run_id)
    assert [run["info"]["run_name"] for run in server.runs.values()] == ["smoke", "pretrain"]


def test_a_server_that_hangs_does_not_slow_the_work(tmp_path, server):
    with server.listening() as uri, pretraining(settings_for(tmp_path, uri)) as step:
        wait_until(lambda: step.run_id)
        server.faults["runs/log-batch"] = ["slow"] * 3
        started = time.monotonic()
        for optimizer_step in range(100):
            report(step, optimizer_step, 1.0)
        assert time.monotonic() - started < 1
    assert server.history("loss") == [(optimizer_step, 1.0) for optimizer_step in range(100)]


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.tracking_tests.test_delivery import pretraining, report, settings_for
with pretraining(settings_for(Path(sys.argv[1]), sys.argv[2])) as step:
    report(step, 1, 5.0)
    report(step, 2, 4.0)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_had_to_say_is_delivered_by_the_next_one(tmp_path, server):
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), uri], check=False)
    (spool,) = spools(settings_for(tmp_path, uri))
    with (spool / "operations.jsonl").open("a") as file:
        file.write('{"kind": "log", "ru')  # the machine stopped in the middle of a line
    with server.listening(port), pretraining(settings_for(tmp_path, uri)) as step:
        report(step, 1, 3.0)
    assert server.history("loss") == [(1, 5.0), (2, 4.0), (1, 3.0)]
    ends = [(run["info"]["run_name"], run["info"]["status"]) for run in server.runs.values()]
    assert ends == [("smoke", "KILLED"), ("pretrain", "KILLED"), ("smoke", "FINISHED"), ("pretrain", "FINISHED")]


def test_what_the_server_refuses_is_kept_with_its_reason_and_the_rest_goes_on(tmp_path, server, caplog):
    with server.listening() as uri, pretraining(settings_for(tmp_path, uri)) as step:
        wait_until(lambda: step.run_id)
        wait_until(lambda: server.run_named("pretrain")["data"]["params"])
        server.faults["runs/log-batch"] = ["refuse"]
        report(step, 1, 5.0)
        wait_until(lambda: not server.faults["runs/log-batch"])
        report(step, 2, 4.0)
    assert server.history("loss") == [(2, 4.0)]
    assert (
        f"MLflow at {uri} refused the metric 'loss' of a run: INVALID_PARAMETER_VALUE: the server does not like it"
        in caplog.text
    )
    (line,) = (tmp_path / "store" / "mlflow-outbox" / "refused.jsonl").read_text().splitlines()
    refused = json.loads(line)
    assert refused["values"]["metrics"][0][:2] == ["loss", 5.0]
    assert refused["reason"] == "INVALID_PARAMETER_VALUE: the server does not like it"


class Particular(TrackingServer):
    """Refuses every batch that has one of these keys."""

    unwanted = ("bad", "worse")

    def _runs_create(self, body):
        self._look(body["tags"])
        return super()._runs_create(body)

    def _runs_log_batch(self, body):
        self._look([one for name in ("metrics", "params", "tags") for one in body.get(name, [])])
        return super()._runs_log_batch(body)

    def _look(self, values):
        if {one["key"] for one in values} & set(self.unwanted):
            raise RefusedHereError


def test_one_refused_value_costs_no_other_value_of_its_batch_and_is_named(tmp_path, caplog):
    server = Particular(tmp_path / "artifacts")
    with server.listening() as uri, pretraining(settings_for(tmp_path, uri)) as step:
        step.log_metrics({"a": 1.0, "bad": 2.0, "b": 3.0, "worse": 4.0, "c": 5.0})
    assert [key for _, key, _, _ in server.metrics] == ["a", "b", "c"]
    assert server.run_named("pretrain")["info"]["status"] == "FINISHED"
    assert "refused the metric 'bad', the metric 'worse' of a run: INVALID_PARAMETER_VALUE" in caplog.text
    lines = (tmp_path / "store" / "mlflow-outbox" / "refused.jsonl").read_text().splitlines()
    assert [[row[0] for row in json.loads(line)["values"]["metrics"]] for line in lines] == [["bad"], ["worse"]]


def test_a_refused_tag_costs_neither_the_run_nor_its_other_tags(tmp_path, caplog):
    server = Particular(tmp_path / "artifacts")
    with (
        server.listening() as uri,
        Tracker(settings_for(tmp_path, uri)).experiment_run(load_experiment("smoke"), tags={"bad": "1", "good": "2"}),
    ):
        pass
    assert server.tags("smoke")["good"] == "2"
    assert "refused the tag 'bad' of a run" in caplog.text


CATEGORIES = (
    "",
    "/",
    "//",
    "..",
    "a//b",
    "物体/",
    "あ" * 120,
    "x" * 300,
    "[色](青)",
    "位置",
    "個数",
    "色, 形",
    "色_ 形",
)


def test_categories_of_any_name_keep_scores_of_their_own(tmp_path, caplog):
    settings = Settings(store=tmp_path / "store")
    scores = {f"mine/all/rougeL/category/{name}": float(place) for place, name in enumerate(CATEGORIES)}
    with Tracker(settings).experiment_run(load_experiment("smoke"), tags={}) as run:
        run.log_metrics(scores)
        run.log_parameters({name: name for name in CATEGORIES})
    data = MlflowClient(settings.mlflow_uri).get_run(run.run_id).data
    assert sorted(data.metrics.values()) == [float(place) for place in range(len(CATEGORIES))]
    assert {data.params[name] for name in ("位置", "個数")} == {"位置", "個数"}
    assert set(CATEGORIES) <= set(data.params.values())
    assert not caplog.messages


def test_text_that_no_file_holds_is_delivered_escaped(tmp_path, server):
    with server.listening() as uri, pretraining(settings_for(tmp_path, uri)) as step:
        step.log_parameters({"text": "丸\ud83d"})
        step.log_json("a.json", {"text": "丸\ud83d"})
    params = {one["key"]: one["value"] for one in server.run_named("pretrain")["data"]["params"]}
    assert params["text"] == "丸\\ud83d"


class Failing(TrackingServer):
    """Fails two calls of three, before or after it has done what is asked."""

    def __init__(self, artifacts):
        super().__init__(artifacts)
        self.random = random.Random(1)

    def answer(self, call, body):
        chance = self.random.random()
        if chance < 1 / 3:
            raise ConnectionAbortedError(call)
        reply = super().answer(call, body)
        if chance < 2 / 3:
            raise ConnectionAbortedError(call)
        return reply


@pytest.mark.usefixtures("no_time_at_the_end")
def test_a_server_that_fails_two_calls_of_three_gets_each_figure_once_in_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(delivery, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(delivery, "LONGEST_PAUSE_OF_THE_COMMAND", 0.001)
    settings = settings_for(tmp_path, f"http://127.0.0.1:{(port := free_port())}")
    figures = {f"figure-{number:02d}": float(number) for number in range(60)}
    with pretraining(settings) as step:
        step.log_metrics(figures)
    server = Failing(tmp_path / "artifacts")
    with server.listening(port):
        assert Tracker(settings).deliver() > 5
    assert [(key, value) for _, key, _, value in server.metrics] == list(figures.items())
    assert server.num_calls < 200
    assert spools(settings) == []


def test_what_was_written_is_found_without_asking_for_every_figure(tmp_path, server):
    settings = Settings(store=tmp_path / "store", tracking_uri="http://127.0.0.1:9")
    points = [[f"figure-{number:02d}", float(number), 1000, 0] for number in range(60)]
    for num_written in (0, 1, 37, 60):
        server.metrics.clear()
        with server.listening() as uri:
            target = MlflowServer(settings.model_copy(update={"tracking_uri": uri}))
            spool = Outbox(settings.store_root, server=target.name).new_spool()
            spool.append(Operation("create", "a", {"name": "smoke", "tags": {}}))
            if num_written:
                spool.append(Operation("log", "a", {"metrics": points[:num_written]}))
            delivery.deliver(spool, target)
            before = server.num_calls
            spool.is_doubtful = True
            target.apply(Operation("log", "a", {"metrics": points}), spool)
        assert [key for _, key, _, _ in server.metrics] == [key for key, *_ in points]
        assert server.num_calls - before <= 9


def test_a_store_with_odd_signs_in_its_path_has_its_database_inside(tmp_path):
    settings = Settings(store=tmp_path / "100%, a%20b?c=d#写真 [1]" / "store")
    with Tracker(settings).experiment_run(load_experiment("smoke"), tags={}) as run:
        run.log_json("a.json", {})
    assert run.run_id
    assert (settings.store_root / "mlflow.db").is_file()
    assert list((settings.store_root / "mlflow-artifacts").rglob("a.json"))
    assert [path.name for path in tmp_path.iterdir()] == ["100%, a%20b?c=d#写真 [1]"]


@pytest.mark.parametrize("name", ["a b", "a%20b", "a?b", "a#b", "写真", "a[1]", "100%", "a:b@c"])
def test_the_address_of_a_database_leads_back_to_its_file(tmp_path, name):
    assert file_of(sqlite_uri(tmp_path / name / "mlflow.db")) == tmp_path / name / "mlflow.db"


def test_a_database_that_cannot_be_opened_holds_nobody_up(tmp_path, no_time_at_the_end, caplog):
    settings = Settings(store=tmp_path / "store", tracking_uri=f"sqlite:///{tmp_path}/no/folder.db")
    (tmp_path / "no").write_text("a file where a folder is needed")
    started = time.monotonic()
    with pretraining(settings) as step:
        report(step, 1, 5.0)
        wait_until(lambda: caplog.messages)
    assert time.monotonic() - started < 3
    assert "operations for MLflow at" in caplog.text


@pytest.mark.usefixtures("no_time_at_the_end")
def test_credentials_reach_the_server_but_neither_disk_nor_messages(tmp_path, server, caplog):
    port = free_port()
    uri = f"http://yamada:open-sesame@127.0.0.1:{port}"
    with pretraining(settings_for(tmp_path, uri)) as step:
        report(step, 1, 5.0)
        wait_until(lambda: caplog.messages)
    with pytest.raises(TransientError) as caught:
        Tracker(settings_for(tmp_path, uri)).deliver()
    written = [path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert written
    assert not [text for text in written if b"open-sesame" in text]
    assert "open-sesame" not in caplog.text + str(caught.value)
    with server.listening(port):
        Tracker(settings_for(tmp_path, uri)).deliver()
    assert server.authorizations == {"Basic eWFtYWRhOm9wZW4tc2VzYW1l"}


@pytest.mark.usefixtures("no_time_at_the_end")
def test_what_is_meant_for_one_server_is_not_given_to_another(tmp_path, server):
    port = free_port()
    with pretraining(settings_for(tmp_path, f"http://127.0.0.1:{port}")):
        pass
    with server.listening() as uri:
        other = Tracker(settings_for(tmp_path, uri))
        assert other.deliver() == 0
        assert other.other_servers() == (f"http://127.0.0.1:{port}",)
    assert server.runs == {}


@pytest.mark.usefixtures("no_time_at_the_end")
def test_the_command_deliver_says_what_it_did_and_what_waits_for_other_servers(tmp_path, server, monkeypatch):
    def deliver(uri):
        monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))
        monkeypatch.setenv("LLAVA_JP_TRACKING_URI", uri)
        return CliRunner().invoke(app, ["deliver"])

    first, second = f"http://127.0.0.1:{free_port()}", free_port()
    for uri in (first, f"http://127.0.0.1:{second}"):
        with pretraining(settings_for(tmp_path, uri)):
            pass
    refused = deliver(first)
    assert (refused.exit_code, "does not answer ([Errno 111] Connection refused)" in refused.output) == (1, True)
    with server.listening(second) as uri:
        assert deliver(uri).output == (
            "8 operations delivered\n"
            f"more waits for MLflow at {first}: set LLAVA_JP_TRACKING_URI to it, and deliver again\n"
        )
        assert deliver(uri).output.startswith("nothing waits to be delivered\n")


def test_numbers_that_a_database_stores_in_another_form_arrive_once_too(tmp_path):
    server = MlflowServer(settings := Settings(store=tmp_path / "store"))
    spool = Outbox(settings.store_root, server=server.name).new_spool()
    points = [["loss", value, 1000 + step, step] for step, value in enumerate((2.5, float("nan"), float("inf")))]
    spool.append(Operation("create", "a", {"name": "smoke", "tags": {}}))
    spool.append(Operation("log", "a", {"metrics": points}))
    delivery.deliver(spool, server)
    spool.delivered(0)
    spool.is_doubtful = True  # as after a process that died between the server's answer and its note of it
    delivery.deliver(spool, server)
    client = MlflowClient(settings.mlflow_uri)
    (run,) = client.search_runs([client.get_experiment_by_name("llava-jp").experiment_id])
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(point.step, str(point.value)) for point in history] == [
        (0, "2.5"),
        (1, "nan"),
        (2, "1.7976931348623157e+308"),
    ]


def test_neighbours_are_delivered_together_up_to_what_one_call_takes(tmp_path):
    spool = Outbox(tmp_path, server="a").new_spool()
    rows = [["loss", 1.0, 0, step] for step in range(600)]
    for values in ({"metrics": rows[:400]}, {"metrics": rows[:600]}, {"tags": {"a": "1"}}, {"metrics": rows[:1]}):
        spool.append(Operation("log", "a", values, 0))
    spool.append(Operation("log", "b", {"metrics": rows[:1]}, 0))
    calls = [(operation.run, len(operation.values["metrics"])) for operation, _ in spool.waiting()]
    assert calls == [("a", 1000), ("a", 1), ("b", 1)]


def test_a_spool_in_use_is_left_to_its_process(tmp_path):
    outbox = Outbox(tmp_path, server="a")
    spool = outbox.new_spool()
    spool.append(Operation("create", "a", {"name": "smoke", "tags": {}}))
    assert list(outbox.abandoned()) == []
    spool.release()
    (found,) = outbox.abandoned()
    assert [operation.kind for operation, _ in found.waiting()] == ["create", "end"]


@pytest.mark.parametrize(
    ("uri", "reason"), [("htp://server:5000", "unsupported URI"), ("mysql://me:secret@host/mlflow", "MySQLdb")]
)
def test_a_tracking_uri_that_can_never_work_stops_the_start(tmp_path, uri, reason):
    with pytest.raises(ConfigError, match=reason) as caught:
        Tracker(settings_for(tmp_path, uri))
    assert str(caught.value).startswith(f"LLAVA_JP_TRACKING_URI={uri.replace('me:secret@', '')} is no place for MLflow")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("fault", ["endless", "bomb", "page", "cut"])
def test_an_answer_that_is_too_long_packed_cut_or_a_page_costs_nothing(tmp_path, server, monkeypatch, caplog, fault):
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 1 << 20)
    server.faults["runs/log-batch"] = [fault, fault]
    with server.listening() as uri, pretraining(settings_for(tmp_path, uri)) as step:
        report(step, 1, 5.0)
    assert server.history("loss") == [(1, 5.0)]
    assert server.run_named("pretrain")["info"]["status"] == "FINISHED"
    if fault in ("endless", "bomb"):
        assert "the answer is longer than 1.0 MB" in caplog.text
    assert spools(settings_for(tmp_path, uri)) == []


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda line: line.replace(b"0.25", b"0.35"), '"a", 0.35'),
        (lambda line: line.replace(b'"kind"', b'"kine"'), '"kine"'),
        (lambda line: b"\xff" + line[1:], "\\xff"),
        (lambda line: b"[]\n", "[]"),
        (lambda line: b"[" * 100_000 + b"\n", "[[["),
    ],
)
def test_a_damaged_line_of_the_outbox_is_kept_apart_and_said_and_the_others_arrive(
    tmp_path, server, caplog, damage, line
):
    with server.listening() as uri:
        outbox = Outbox(tmp_path / "store", server=uri)
        spool = outbox.new_spool()
        spool.append(Operation("create", "r", {"name": "smoke", "tags": {}}))
        spool.append(Operation("log", "r", {"metrics": [["a", 0.25, 1, 0]]}))
        spool.append(Operation("log", "r", {"metrics": [["b", 0.5, 1, 0]]}))
        spool.append(Operation("end", "r", {"status": "FINISHED"}))
        spool.release()
        path = spool.folder / "operations.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([lines[0], damage(lines[1]), *lines[2:]]))
        Tracker(settings_for(tmp_path, uri)).deliver()
    assert (server.history("a"), server.history("b")) == ([], [(0, 0.5)])
    assert server.run_named("smoke")["info"]["status"] == "FINISHED"
    (row,) = map(json.loads, (outbox.folder / "refused.jsonl").read_text().splitlines())
    assert (row["kind"], row["reason"]) == ("damaged", "its line in the outbox is damaged")
    assert line in row["values"]["line"]
    assert "refused damaged of a run: its line in the outbox is damaged" in caplog.text


@pytest.mark.parametrize("state", [{"num_bytes": None}, {"num_bytes": -1}, {"num_bytes": 2**64}, {"runs": []}])
def test_a_damaged_state_of_a_spool_is_said_and_left(tmp_path, caplog, state):
    outbox = Outbox(tmp_path, server="a")
    spool = outbox.new_spool()
    spool.append(Operation("create", "r", {"name": "smoke", "tags": {}}))
    spool.release()
    (spool.folder / "state.json").write_text(json.dumps({"server": "a", "num_bytes": 0, "runs": {}, **state}))
    assert list(outbox.abandoned()) == []
    assert f"{spool.folder / 'state.json'} is damaged" in caplog.text


def test_no_secret_is_written_for_mlflow(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "open-sesame")
    settings = settings_for(tmp_path, f"http://me:hirake@127.0.0.1:{free_port()}")
    monkeypatch.setenv("LLAVA_JP_TRACKING_URI", settings.tracking_uri)
    monkeypatch.setattr(delivery, "SECONDS_FOR_AN_ABSENT_SERVER", 0)
    with pretraining(settings) as step:
        step.log_parameters({"url": "http://a:b%63d@host", "key": ["open-sesame"], "packed": "bWU6aGlyYWtl"})
        step.log_json("x.json", {"a": "open%2Dsesame"})
        step.log_trace({"inputs": {"messages": [{"content": "hirake"}]}})
    written = b"".join(
        path.read_bytes() for path in (tmp_path / "store" / "mlflow-outbox").rglob("*") if path.is_file()
    )
    assert b"metrics" in written or b"params" in written
    assert not [secret for secret in (b"sesame", b"hirake", b"bWU6aGlyYWtl", b"b%63d") if secret in written]
