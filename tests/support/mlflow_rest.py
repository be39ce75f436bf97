"""A tracking server in memory that speaks the REST calls of MLflow's client and fails as it is told.

It keeps every metric it gets, also twice: MLflow's databases would drop the second, and hide what the client did.
"""

import json
import re
import sys
import threading
import time
import zlib
from collections import defaultdict
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PREFIX = "/api/2.0/mlflow/"


class RefusedHereError(Exception):
    """Raised by an answer: what is asked is not done, and never will be."""


class TrackingServer:
    """What the server holds. ``faults[call]`` are what happens to the next calls of that name, ``""`` is nothing:

    ``"500"``: not done, and said so; ``"refuse"``: not done, and never will be; ``"hang up"``: not done, no answer;
    ``"applied"``: done, no answer; ``"slow"``: done, the answer comes after a second; ``"cut"``: done, half an answer;
    ``"page"``: not done, a web page; ``"endless"``: not done, an answer without an end; ``"bomb"``: not done, half a
    gigabyte of spaces, packed.
    """

    def __init__(self, artifacts):
        self.artifacts = artifacts
        self.runs = {}
        self.metrics = []
        self.faults = defaultdict(list)
        self.authorizations = set()
        self.num_calls = 0

    def history(self, key):
        return [(step, value) for _, name, step, value in self.metrics if name == key]

    def run_named(self, name):
        (run,) = [run for run in self.runs.values() if run["info"]["run_name"] == name]
        return run

    def tags(self, name):
        return {tag["key"]: tag["value"] for tag in self.run_named(name)["data"]["tags"]}

    @contextmanager
    def listening(self, port=0):
        server = Listening(("127.0.0.1", port), _handler(self))
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()

    def answer(self, call, body):
        return getattr(self, "_" + re.sub(r"\W", "_", call))(body)

    def _experiments_get_by_name(self, body):
        return {"experiment": {"experiment_id": "1", "name": body["experiment_name"], "lifecycle_stage": "active"}}

    def _experiments_set_experiment_tag(self, body):
        return {}

    def _runs_create(self, body):
        run_id = f"{len(self.runs):032d}"
        info = {
            "run_id": run_id,
            "run_uuid": run_id,
            "run_name": body["run_name"],
            "experiment_id": "1",
            "status": "RUNNING",
            "start_time": body["start_time"],
            "artifact_uri": (self.artifacts / run_id).as_uri(),
            "lifecycle_stage": "active",
        }
        self.runs[run_id] = {"info": info, "data": {"tags": body.get("tags", []), "params": []}}
        return {"run": self.runs[run_id]}

    def _runs_get(self, body):
        return {"run": self.runs[body["run_id"]]}

    def _runs_search(self, body):
        wanted = re.findall(r"tags\.`?([\w.]+)`? = '([^']*)'", body["filter"])
        found = []
        for run in self.runs.values():
            tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
            if all(tags.get(key) == value for key, value in wanted):
                found.append(run)
        return {"runs": found[::-1]}

    def _runs_log_batch(self, body):
        run = self.runs[body["run_id"]]
        for metric in body.get("metrics", []):
            self.metrics.append((body["run_id"], metric["key"], int(metric.get("step", 0)), metric["value"]))
            run.setdefault("history", []).append(metric)
        run["data"]["params"] += body.get("params", [])
        for tag in body.get("tags", []):
            run["data"]["tags"] = [old for old in run["data"]["tags"] if old["key"] != tag["key"]] + [tag]
        return {}

    def _runs_log_inputs(self, body):
        inputs = self.runs[body["run_id"]].setdefault("inputs", {"dataset_inputs": []})
        inputs["dataset_inputs"] += body["datasets"]
        return {}

    def _metrics_get_history(self, body):
        history = self.runs[body["run_id"]].get("history", [])
        return {"metrics": [metric for metric in history if metric["key"] == body["metric_key"]]}

    def _runs_update(self, body):
        self.runs[body["run_id"]]["info"] |= {key: body[key] for key in ("status", "end_time") if key in body}
        return {"run_info": self.runs[body["run_id"]]["info"]}


class Listening(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # clients may leave when they like
            super().handle_error(request, client_address)


@cache
def bomb():
    """Half a megabyte of gzip that is half a gigabyte of spaces."""
    packer = zlib.compressobj(1, wbits=31)
    return b"".join([*(packer.compress(b" " * (1 << 20)) for _ in range(512)), packer.flush()])


def _handler(state):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_GET(self):
            self._serve({key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()})

        def do_POST(self):
            self._serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _serve(self, body):
            state.num_calls += 1
            state.authorizations.add(self.headers.get("Authorization"))
            call = urlsplit(self.path).path.removeprefix(PREFIX)
            fault = state.faults[call].pop(0) if state.faults[call] else ""
            if fault == "500":
                self._send(500, {"error_code": "INTERNAL_ERROR", "message": "the database is full"})
            elif fault == "refuse":
                self._send(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "the server does not like it"})
            elif fault == "hang up":
                self.close_connection = True
            elif fault == "page":
                self._send_bytes(b"<html>Please log in</html>", "text/html")
            elif fault == "endless":
                self._send_endlessly()
            elif fault == "bomb":
                self._send_bytes(bomb(), "application/json", Content_Encoding="gzip")
            else:
                try:
                    reply = state.answer(call, body)
                except RefusedHereError:
                    refusal = {"error_code": "INVALID_PARAMETER_VALUE", "message": "the server does not like it"}
                    return self._send(400, refusal)
                if fault == "slow":
                    time.sleep(1)
                if fault == "applied":
                    self.close_connection = True
                else:
                    self._send(200, reply, is_cut=fault == "cut")

        def _send(self, status, reply, *, is_cut=False):
            content = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if is_cut else content)
            self.close_connection |= is_cut

        def _send_bytes(self, content, kind, **headers):
            self.send_response(200)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(content)

        def _send_endlessly(self):
            self.close_connection = True
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            with suppress(OSError):  # the client has had enough
                while True:
                    self.wfile.write(b" " * 65536)

    return Handler
