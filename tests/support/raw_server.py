"""A server that sends whatever bytes it is told, at its own pace: what no well-meant server library would send."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Answer = Callable[[bytes], Iterator[bytes]]
"""The body of a request, to the pieces of the answer, headers included."""


@contextmanager
def serving_raw(answer: Answer) -> Iterator[str]:
    """Serve at the URL until the block ends; every connection is one request."""
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                body = _body_of_request(connection)
                for piece in answer(body):
                    connection.sendall(piece)
                    if ended.is_set():
                        return
            except OSError:
                return  # the client has gone

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)


def head(length: int | None = None, **headers: str) -> bytes:
    """Status and headers of an answer in JSON; without a length it ends with the connection."""
    fields = {"Content-Type": "application/json", "Connection": "close", **headers}
    if length is not None:
        fields["Content-Length"] = str(length)
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()


def _body_of_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    headers, _, body = received.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in headers.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return body
