"""A server that speaks chat completions, has troubles on purpose, and counts what it was asked and delivered."""

import json
import select
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.judged_benchmark import BY_CATEGORY, CATEGORIES


@dataclass
class Act:
    """What the server does about one request."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drops: bool = False
    """Close the connection after half of the answer."""
    delivers: bool = False


def completion(text: str | None, *, tokens: int | None = 100, **message: Any) -> Act:
    """A whole chat completion."""
    content = {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4-0125-preview",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text, **message}}
        ],
    }
    if tokens is not None:
        content["usage"] = {"prompt_tokens": tokens, "completion_tokens": 20, "total_tokens": tokens + 20}
    return Act(body=json.dumps(content).encode(), delivers=True)


def refused(status: int, code: str, message: str = "no", **headers: str) -> Act:
    body = json.dumps({"error": {"message": message, "code": code, "type": "x", "param": None}}).encode()
    return Act(status=status, body=body, headers=headers)


def item_asked_about(payload: Mapping[str, Any]) -> int:
    return int(payload["messages"][1]["content"].partition("文脈")[2].partition("\n")[0])


def verdict(item: int) -> Act:
    return completion(BY_CATEGORY[CATEGORIES[item]])


Script = Callable[[int, int], Act]
"""The item and how often it was asked about before, to what the server does."""


class JudgeServer:
    """Serves at ``url`` until the block ends."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.payloads: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.asked: Counter[int] = Counter()
        self.delivered: Counter[int] = Counter()
        self.most_at_once = 0
        self.now = 0
        self.lock = threading.Lock()
        self.url = ""

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        payload = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        item = item_asked_about(payload)
        with self.lock:
            self.payloads.append(payload)
            self.keys.add(handler.headers["Authorization"])
            count = self.asked[item]
            self.asked[item] += 1
            self.now += 1
            self.most_at_once = max(self.most_at_once, self.now)
        try:
            self._answer(handler, item, self.script(item, count))
        finally:
            with self.lock:
                self.now -= 1

    def _answer(self, handler: BaseHTTPRequestHandler, item: int, act: Act) -> None:
        if act.delay and _left(handler.connection, act.delay):
            return
        try:
            handler.send_response(act.status)
            for name, value in {"Content-Type": "application/json", **act.headers}.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.send_header("Content-Length", str(len(act.body)))
            handler.end_headers()
            handler.wfile.write(act.body[: len(act.body) // 2] if act.drops else act.body)
            handler.wfile.flush()
            if act.drops:
                handler.connection.shutdown(socket.SHUT_RDWR)
                handler.close_connection = True
                return
        except OSError:
            return  # the client had waited long enough
        with self.lock:
            self.delivered[item] += act.delivers


def _left(connection: socket.socket, seconds: float) -> bool:
    """Whether the client goes within that time; until then it is waited for."""
    readable, _, _ = select.select([connection], [], [], seconds)
    return bool(readable) and not connection.recv(1, socket.MSG_PEEK)


@contextmanager
def serving(script: Script) -> Iterator[JudgeServer]:
    server = JudgeServer(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            server.handle(self)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.handle_error = lambda *_: None  # clients may leave when they like
    server.url = f"http://127.0.0.1:{http.server_port}/v1"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
