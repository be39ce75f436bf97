import gzip
import time
import tracemalloc
import zlib

import httpx2
import pytest

from pipeline.core.bounded_http import AnswerTooLargeError, bounding, json_of
from pipeline.core.deadlines import TooSlowError, within
from pipeline.core.wording import encodable
from tests.support.raw_server import head, serving_raw


def get(url, *, max_bytes=100_000, seconds=5.0):
    with httpx2.Client(event_hooks=bounding(max_bytes=max_bytes, seconds=seconds), timeout=seconds) as client:
        return within(seconds, lambda: client.get(url)).content


def dripped(pieces, pause):
    for piece in pieces:
        yield piece
        time.sleep(pause)


def endless():
    yield head()
    while True:
        yield b" " * 65536


def test_an_endless_body_ends_at_the_bound():
    with serving_raw(lambda _: endless()) as url, pytest.raises(AnswerTooLargeError, match=r"longer than 100\.0 kB"):
        get(url)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_what_unpacks_to_much_ends_at_the_bound_and_in_little_memory(pack):
    bomb = pack(b"0" * 50_000_000)
    encoding = "gzip" if pack is gzip.compress else "deflate"
    with serving_raw(lambda _: iter([head(len(bomb), Content_Encoding=encoding), bomb])) as url:
        tracemalloc.start()
        with pytest.raises(AnswerTooLargeError):
            get(url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 2_000_000


def test_a_packed_answer_is_read():
    packed = gzip.compress(b'{"a": 1}')
    with serving_raw(lambda _: iter([head(len(packed), Content_Encoding="gzip"), packed])) as url:
        assert get(url) == b'{"a": 1}'


@pytest.mark.parametrize(
    ("encoding", "body", "message"),
    [("br", b"x", "packed as 'br', which was not asked for"), ("gzip", b"no gzip", "the packed answer is damaged")],
)
def test_what_cannot_be_unpacked_is_said(encoding, body, message):
    with (
        serving_raw(lambda _: iter([head(len(body), Content_Encoding=encoding), body])) as url,
        pytest.raises(httpx2.DecodingError, match=message),
    ):
        get(url)


@pytest.mark.parametrize(
    "pieces",
    [
        [head(100), *[b"x"] * 100],
        [b"HTTP/1.1 200 OK\r\n", *[b"X-%d: y\r\n" % number for number in range(100)]],
    ],
    ids=["body", "headers"],
)
def test_a_dripped_answer_ends_at_the_timeout(pieces):
    with serving_raw(lambda _: dripped(pieces, pause=0.05)) as url:
        started = time.monotonic()
        with pytest.raises(TooSlowError, match=r"no whole answer in 0\.3 s"):
            get(url, seconds=0.3)
        assert time.monotonic() - started < 0.6


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000, b"\xff", b""])
def test_what_is_no_json_or_too_deep_is_a_value_error(content):
    with pytest.raises(ValueError, match="."):
        json_of(content)


def test_text_that_no_file_holds_is_escaped():
    assert encodable("丸\ud83d") == "丸\\ud83d"
    assert encodable(json_of(b'"\xe4\xb8\xb8\xff"')) == "丸\\udcff"
    assert encodable("丸\U0001f600") == "丸\U0001f600"
