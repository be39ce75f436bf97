"""A small Hugging Face Hub on this machine, with a second server for the large files, and ways to misbehave.

It speaks what ``huggingface_hub`` and plain HTTP clients use: revisions with their files, the tree, ``resolve`` with
its redirect to the second server, ETag, If-Range and Range. Every request is kept, for tests to look at.
"""

import hashlib
import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.hub_commits import write

LFS_BYTES = 1000
"""Larger files are kept by the second server, as LFS files are."""


def commit_of(name: str) -> str:
    """A commit hash for a readable name."""
    return hashlib.sha1(name.encode()).hexdigest()


@dataclass
class Request:
    """One request as it came."""

    server: str
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Repository:
    """Branches and commits; a commit is a mapping of paths to contents."""

    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    is_gated: bool = False
    allowed_token: str | None = None


@dataclass
class Trick:
    """What the next answer for a path does wrong."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    drop_after: int | None = None
    """Close the connection after so many bytes of the body."""
    content: bytes | None = None
    """Send this in place of the file, with its own length."""
    ignore_range: bool = False
    ignore_if_range: bool = False
    range_shift: int = 0
    """Start the range so many bytes off."""
    is_lengthless: bool = False
    """Send no Content-Length and simply close at the end."""
    stall_seconds: float = 0.0
    """Say nothing for so long after the headers, or after the first bytes of the body."""
    stall_after: int = 0


class HubServer:
    """Both servers; ``url`` is the Hub's, ``cdn_url`` that of the large files and plain files."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.files: dict[str, bytes] = {}
        """Plain files of the second server, by their path."""
        self.etags: dict[str, str] = {}
        self.requests: list[Request] = []
        self.made: dict[str, dict[str, Any]] = {}
        """What was asked when a repository was made, by its name."""
        self.uploaded: dict[str, bytes] = {}
        """Large files that clients sent, by their sha256."""
        self.write_token: str | None = None
        self.write_status: int | None = None
        self.upload_status: int | None = None
        """How every attempt to write is answered."""
        self.write_error = "no"
        """What such an answer says."""
        self.before_answer: Callable[[], object] = lambda: None
        self._tricks: dict[str, deque[Trick]] = defaultdict(deque)
        self._guard = threading.Lock()
        self._hub = _serve(self, "hub")
        self._cdn = _serve(self, "cdn")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._hub.server_port}"

    @property
    def cdn_url(self) -> str:
        return f"http://localhost:{self._cdn.server_port}"

    def add(self, repository: str, files: dict[str, bytes], *, commit: str = "first", branch: str = "main") -> str:
        """Put a commit on a branch of ``datasets/NAME`` or ``models/NAME``; returns its hash."""
        added = self.repositories.setdefault(repository, Repository())
        sha = commit_of(commit)
        added.commits[sha] = files
        added.branches[branch] = sha
        return sha

    def misbehave(self, path: str, *tricks: Trick) -> None:
        """Play these tricks, one for each request whose path matches the pattern."""
        self._tricks[path].extend(tricks)

    def trick(self, path: str) -> Trick:
        with self._guard:
            for pattern, tricks in self._tricks.items():
                if tricks and fnmatchcase(path, pattern):
                    return tricks.popleft()
        return Trick()

    def asked(self, pattern: str = "*", *, method: str = "*", server: str = "*") -> list[Request]:
        """The requests so far, in order."""
        return [
            request
            for request in self.requests
            if fnmatchcase(request.path, pattern)
            and fnmatchcase(request.method, method)
            and fnmatchcase(request.server, server)
        ]

    def close(self) -> None:
        for server in (self._hub, self._cdn):
            server.shutdown()
            server.server_close()


@contextmanager
def running_hub() -> Iterator[HubServer]:
    """A server for the time of a test."""
    server = HubServer()
    try:
        yield server
    finally:
        server.close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the tests."""


def _serve(hub: HubServer, name: str) -> ThreadingHTTPServer:
    handler = type("Handler", (_Handler,), {"hub": hub, "server_name": name})
    server = _Server(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer
    server_name: str

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.take()

    def do_PUT(self) -> None:
        self.take()

    def take(self) -> None:
        body = self.body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.requests.append(Request(self.server_name, self.command, unquote(self.path), headers))
        repository, is_question, revision = unquote(self.path).removeprefix("/api/").partition("/paths-info/")
        if is_question:
            paths = parse_qs(body.decode())["paths"]
            found = json.dumps(paths_info(self.hub, repository, revision, paths)).encode()
            return self.send(200, found, {"Content-Type": "application/json"})
        status, answer = write(self.hub, self.command, unquote(self.path), body, headers)
        self.send(status, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def answer(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.requests.append(Request(self.server_name, self.command, path, headers))
        self.hub.before_answer()
        trick = self.hub.trick(path)
        if trick.status is not None:
            self.send(trick.status, trick.content or b"", trick.headers)
        elif self.server_name == "cdn":
            self.plain_file(path, trick)
        elif path.startswith("/api/"):
            self.api(path.removeprefix("/api/"))
        else:
            self.resolve(path.removeprefix("/"), trick)

    def api(self, path: str) -> None:
        for key, repository in self.hub.repositories.items():
            if not path.startswith(key):
                continue
            rest = path.removeprefix(key).strip("/").split("/")
            what, revision = (rest[0], rest[1]) if len(rest) > 1 else ("revision", "main")
            sha = repository.branches.get(revision, revision)
            if sha not in repository.commits:
                return self.send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            files = [_described(name, content) for name, content in repository.commits[sha].items()]
            name = key.partition("/")[2]
            record = {"id": name, "modelId": name, "sha": sha, "siblings": files, "private": False, "tags": []}
            if what == "tree":
                is_recursive = parse_qs(urlsplit(self.path).query).get("recursive", ["true"])[0].lower() in (
                    "true",
                    "1",
                )
                record = entries_below("/".join(rest[2:]), files, is_recursive=is_recursive)
            return self.send(200, json.dumps(record).encode(), {"Content-Type": "application/json"})
        return self.send(401, b"{}", {"X-Error-Code": "RepoNotFound"})

    def resolve(self, path: str, trick: Trick) -> None:
        key, _, rest = path.partition("/resolve/")
        key = key if key.startswith("datasets/") else f"models/{key}"
        revision, _, name = rest.partition("/")
        repository = self.hub.repositories[key]
        sent = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if repository.is_gated and sent != repository.allowed_token:
            return self.send(403 if sent else 401, b"", {"X-Error-Code": "GatedRepo"})
        sha = repository.branches.get(revision, revision)
        if sha not in repository.commits:
            return self.send(404, b"", {"X-Error-Code": "RevisionNotFound"})
        if name not in repository.commits[sha]:
            return self.send(404, b"", {"X-Error-Code": "EntryNotFound"})
        content = repository.commits[sha][name]
        described = _described(name, content)
        if "lfs" not in described:
            return self.content(content, f'"{described["blobId"]}"', trick, {"X-Repo-Commit": sha})
        sha256 = described["lfs"]["sha256"]
        self.hub.files[f"/lfs/{sha256}"] = content
        headers = {
            "Location": f"{self.hub.cdn_url}/lfs/{sha256}",
            "X-Repo-Commit": sha,
            "X-Linked-Size": str(len(content)),
            "X-Linked-Etag": f'"{sha256}"',
        }
        return self.send(302, b"", headers)

    def plain_file(self, path: str, trick: Trick) -> None:
        if path not in self.hub.files:
            return self.send(404, b"", {})
        content = self.hub.files[path]
        etag = self.hub.etags.get(path, f'"{hashlib.md5(content).hexdigest()}"')
        return self.content(content, etag, trick, {"Accept-Ranges": "bytes"})

    def content(self, content: bytes, etag: str, trick: Trick, headers: dict[str, str]) -> None:
        body, status = content if trick.content is None else trick.content, 200
        headers = {"ETag": etag, **headers, **trick.headers}
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        is_same = trick.ignore_if_range or self.headers.get("If-Range") in (None, headers["ETag"])
        if asked and not trick.ignore_range and is_same:
            first, _, end = asked.partition("-")
            start = int(first) + trick.range_shift
            if start >= len(body):
                return self.send(416, b"", {"Content-Range": f"bytes */{len(body)}"})
            last = min(int(end or len(body) - 1), len(body) - 1)
            headers["Content-Range"] = f"bytes {start}-{last}/{len(body)}"
            body, status = body[start : last + 1], 206
        return self.send(status, body, headers, trick=trick)

    def send(self, status: int, body: bytes, headers: dict[str, str], *, trick: Trick | None = None) -> None:
        trick = trick or Trick()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if trick.is_lengthless:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.close_connection = trick.is_lengthless or trick.drop_after is not None
        if self.command != "HEAD":
            body = body[: trick.drop_after]
            self.wfile.write(body[: trick.stall_after])
            self.wfile.flush()
            time.sleep(trick.stall_seconds)
            self.wfile.write(body[trick.stall_after :])


def _described(name: str, content: bytes) -> dict[str, Any]:
    git = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
    described: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": git}
    if len(content) > LFS_BYTES:
        described["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return described


def entries_below(folder: str, files: list[dict[str, Any]], *, is_recursive: bool) -> list[dict[str, Any]]:
    """The files below a folder of a repository; without those in its folders, these stand for them."""
    start = f"{folder}/" if folder else ""
    below = [file for file in files if file["rfilename"].startswith(start)]
    if is_recursive:
        return [_in_tree(file) for file in below]
    folders = dict.fromkeys(
        start + rest.partition("/")[0] for file in below if "/" in (rest := file["rfilename"].removeprefix(start))
    )
    entries = [_in_tree(file) for file in below if "/" not in file["rfilename"].removeprefix(start)]
    return [*entries, *({"type": "directory", "path": name, "oid": commit_of(name), "size": 0} for name in folders)]


def paths_info(hub: HubServer, repository: str, revision: str, paths: list[str]) -> list[dict[str, Any]]:
    """What the Hub says of some files and folders of a repository."""
    found = hub.repositories[repository]
    files = [_described(*item) for item in found.commits[found.branches.get(revision, revision)].items()]
    entries = [entry for path in paths for entry in entries_below(path.rpartition("/")[0], files, is_recursive=False)]
    return [entry for entry in entries if entry["path"] in paths]


def _in_tree(described: dict[str, Any]) -> dict[str, Any]:
    entry = {"type": "file", "path": described["rfilename"], "oid": described["blobId"], "size": described["size"]}
    if lfs := described.get("lfs"):
        entry["lfs"] = {"oid": lfs["sha256"], "size": lfs["size"], "pointerSize": lfs["pointerSize"]}
    return entry
