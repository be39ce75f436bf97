"""Answers of servers that are not ours, bounded in bytes, in depth and in the time of the whole exchange.

A timeout of an HTTP client is for the next bytes: a reply that drips passes it for hours, and its body may be endless,
or a few bytes that unpack to gigabytes.
"""

import json
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx2

from pipeline.core.deadlines import TooSlowError
from pipeline.core.wording import duration_text, size_text

Hooks = dict[str, list[Callable[[httpx2.Response], None]]]

IDENTITY = {"Accept-Encoding": "identity"}
"""What is asked for; a server that packs all the same is read if it uses gzip or deflate."""
GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class AnswerTooLargeError(Exception):
    """A server sends more than anyone asked for."""


def bounding(*, max_bytes: int, seconds: float, only: Callable[[str], bool] = lambda _url: True) -> Hooks:
    """Event hooks for an ``httpx2.Client``: no body is longer, packed or unpacked, or takes longer to come.

    Reading a longer one raises AnswerTooLargeError, a slower one TooSlowError. A client may fetch files as well:
    ``only`` says which addresses are meant.
    """

    def bound(response: httpx2.Response) -> None:
        if not only(str(response.request.url)):
            return
        encoding = response.headers.pop("Content-Encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", "x-gzip", "deflate"):
            raise httpx2.DecodingError(f"the answer is packed as {encoding[:40]!r}, which was not asked for")
        unpack = None if encoding == "identity" else zlib.decompressobj(GZIP_OR_ZLIB).decompress
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _BoundedStream(response.stream, max_bytes, seconds, unpack)

    return {"response": [bound]}


class _BoundedStream(httpx2.SyncByteStream):
    """The body of an answer while it comes."""

    def __init__(
        self,
        stream: httpx2.SyncByteStream,
        max_bytes: int,
        seconds: float,
        unpack: Callable[[bytes, int], bytes] | None,
    ) -> None:
        self._stream = stream
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._unpack = unpack

    def __iter__(self) -> Iterator[bytes]:
        num_bytes = 0
        for chunk in self._stream:
            if time.monotonic() > self._deadline:
                raise TooSlowError(f"no whole answer in {duration_text(self._seconds)}")
            try:
                content = self._unpack(chunk, self._max_bytes - num_bytes + 1) if self._unpack else chunk
            except zlib.error as error:
                raise httpx2.DecodingError(f"the packed answer is damaged: {error}") from error
            num_bytes += len(content)
            if num_bytes > self._max_bytes:
                raise AnswerTooLargeError(f"the answer is longer than {size_text(self._max_bytes)}")
            yield content

    def close(self) -> None:
        self._stream.close()


def at_most(pieces: Iterable[bytes], *, max_bytes: int, seconds: float) -> Iterator[bytes]:
    """The unpacked pieces of a body, for clients that are not of ``httpx2``.

    Raises:
        AnswerTooLargeError, TooSlowError: there are more bytes, or they take longer to come.
    """
    deadline, num_bytes = time.monotonic() + seconds, 0
    for piece in pieces:
        if time.monotonic() > deadline:
            raise TooSlowError(f"no whole answer in {duration_text(seconds)}")
        num_bytes += len(piece)
        if num_bytes > max_bytes:
            raise AnswerTooLargeError(f"the answer is longer than {size_text(max_bytes)}")
        yield piece


def json_of(content: bytes) -> Any:
    """The JSON value of an answer.

    Raises:
        ValueError: it is none, or one that nests deeper than Python reads.
    """
    try:
        return json.loads(content.decode("utf-8-sig", errors="surrogateescape"))
    except RecursionError as error:
        raise ValueError("it nests too deeply") from error
