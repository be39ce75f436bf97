"""moto's S3 on this machine: every request is kept, and can be made to wait."""

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

NUMBERS = itertools.count()
"""Of buckets: moto keeps them for the whole process, whatever the server."""
KEY, SECRET = "AKIAOFATEST", "secret/of+a+test"


@dataclass(frozen=True)
class S3Request:
    """One request; ``num_bytes`` came with it or went back, whichever is more."""

    method: str
    path: str
    num_bytes: int


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type, message, *args):
        pass


class ObjectServer:
    """``url`` is its address; ``environment`` what a client needs to know."""

    def __init__(self) -> None:
        self.requests: list[S3Request] = []
        self.before_answer: Callable[[str, str], object] = lambda method, path: None
        self.status: str | None = None
        """Answer everything with this."""
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Quiet)
        self.url = f"http://127.0.0.1:{self._server.port}"

    def _answer(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.before_answer(method, path)
        if self.status:
            start_response(self.status, [("Content-Length", "0")])
            return [b""]
        body = b"".join(self._moto(environ, start_response))
        self.requests.append(S3Request(method, path, max(len(body), int(environ.get("CONTENT_LENGTH") or 0))))
        return [body]

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_MAX_ATTEMPTS": "2",
            "NO_PROXY": "127.0.0.1",
        }

    @cached_property
    def client(self):
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )

    def new_bucket(self) -> str:
        name = f"bucket-{next(NUMBERS)}"
        self.client.create_bucket(Bucket=name)
        return name

    def keys(self, bucket: str) -> list[str]:
        return [entry["Key"] for entry in self.client.list_objects_v2(Bucket=bucket).get("Contents", ())]

    def read(self, bucket: str, key: str) -> bytes:
        return self.client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def write(self, bucket: str, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=bucket, Key=key, Body=content)

    def moved(self, method: str) -> dict[str, int]:
        """Bytes of the files of artifacts that were moved by requests so far, by their names."""
        found: dict[str, int] = {}
        for request in self.requests:
            name = request.path.rpartition("/")[2]
            if request.method == method and name.endswith(".bin"):
                found[name] = found.get(name, 0) + request.num_bytes
        return found

    def forget(self) -> None:
        self.requests.clear()
        self.before_answer = lambda method, path: None
        self.status = None


@contextmanager
def object_server() -> Iterator[ObjectServer]:
    server = ObjectServer()
    thread = threading.Thread(target=server._server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server._server.shutdown()
        thread.join()
