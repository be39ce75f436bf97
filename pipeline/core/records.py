"""Records of a ``.json`` array or a ``.jsonl`` file, also compressed: the file never stands in memory whole.

``json`` on a sliding window, and not ``ijson``, which is 4 to 13 % slower (yajl2_c, 200 MB of real records), reads a
lone surrogate as ``?``, refuses a byte order mark, and gives decimals in place of floats or refuses large integers.
"""

import codecs
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from pipeline.core.errors import DataError
from pipeline.core.files import ending_of
from pipeline.core.progress import BYTES, Progress
from pipeline.core.wording import size_text

LINE_ENDINGS = ("jsonl", "ndjson")
CHUNK_BYTES = 1 << 20
MAX_RECORD_CHARACTERS = 64 << 20
"""A longer record of an array is taken for a missing quote or bracket."""
MAX_LINE_BYTES = 64 << 20
"""A longer line of a ``.jsonl`` file is no record."""
LOOK_AHEAD = 3
"""Characters after a number that show that it has ended: ``1`` may go on as ``1e+5``."""

Advance = Callable[[int], None]
"""Told of the bytes that were read."""


def read_records(path: Path, *, advance: Advance = lambda num_bytes: None) -> Iterator[tuple[int, Any]]:
    """Index and JSON value of every record of a ``.json`` array or a ``.jsonl`` file.

    A line that is not JSON is yielded as its ``json.JSONDecodeError``.

    Raises:
        DataError: the file cannot be opened, or a ``.json`` file is not an array of records.
    """
    with opened(path) as file:
        if path.suffix == ".gz":
            advance = _of_compressed(file, advance)
        are_lines = ending_of(path).partition(".")[0] in LINE_ENDINGS
        try:
            yield from enumerate(_lines(path, file, advance) if are_lines else _Array(path, file, advance))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path} is not a whole gzip file: {error}") from error


def opened(path: Path) -> IO[bytes]:
    """A file to read, unpacked if its name ends in ``.gz``.

    Raises:
        DataError: it cannot be opened.
    """
    try:
        return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def _of_compressed(file: IO[bytes], advance: Advance) -> Advance:
    """Tells of the bytes of the compressed file in place of those that came out of it."""
    packed = file.fileobj  # type: ignore[attr-defined]
    place = 0

    def told(_: int) -> None:
        nonlocal place
        now = packed.tell()
        advance(now - place)
        place = now

    return told


def records_with_progress(path: Path, *, name: str) -> Iterator[tuple[int, Any]]:
    """``read_records`` that shows how far it is."""
    progress = Progress(name, total=path.stat().st_size if path.is_file() else 0, unit=BYTES)
    yield from read_records(path, advance=progress.advance)
    progress.finish()


def _lines(path: Path, file: IO[bytes], advance: Advance) -> Iterator[Any]:
    if file.peek(16).removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"[":  # type: ignore[attr-defined]
        raise DataError(f"{path} holds a JSON array, not one record per line; name it .json")
    unreported = 0
    for line, num_bytes in _bounded_lines(file):
        unreported += num_bytes
        if unreported >= CHUNK_BYTES:
            advance(unreported)
            unreported = 0
        if num_bytes > len(line):
            yield json.JSONDecodeError(f"the line is longer than {size_text(MAX_LINE_BYTES)}", "", 0)
        elif line.strip():
            yield _parsed(line)
    advance(unreported)


def _bounded_lines(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Each line and its length; of one that is too long only the beginning."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        num_bytes = len(line)
        piece = line if num_bytes > MAX_LINE_BYTES else b"\n"
        line = line[:MAX_LINE_BYTES]
        while piece and not piece.endswith(b"\n"):
            piece = file.readline(CHUNK_BYTES)
            num_bytes += len(piece)
        yield line, num_bytes


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        return error
    except (ValueError, RecursionError) as error:  # not UTF-8, a number of thousands of digits, too deep
        return json.JSONDecodeError(str(error), "", 0)


class _Array:
    """Iterates over the elements of a JSON array through a sliding window of text."""

    def __init__(self, path: Path, file: IO[bytes], advance: Advance) -> None:
        self._path = path
        self._file = file
        self._advance = advance
        self._text = ""
        self._place = 0
        self._is_ended = False
        self._decode_bytes = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._parse = json.JSONDecoder().raw_decode

    def __iter__(self) -> Iterator[Any]:
        if self._next_character() != "[":
            top_level = self._value(0)
            if self._next_character():
                problem = "Extra data after the first value; for one record per line, name the file .jsonl"
                raise self._not_json(problem, 1)
            kind = type(top_level).__name__
            raise DataError(f"{self._path} must hold a JSON array of records; its top level is a {kind}")
        self._place += 1
        index = 0
        if self._next_character() != "]":
            while True:
                yield self._value(index)
                index += 1
                separator = self._next_character()
                if separator == "]":
                    break
                if separator != ",":
                    raise self._not_json("Expecting ',' or ']'", index)
                self._place += 1
        self._place += 1
        if self._next_character():
            raise self._not_json("Extra data after the array", index)

    def _value(self, index: int) -> Any:
        """The value at the place; read on as long as it may only be cut off."""
        self._next_character()
        while True:
            try:
                value, end = self._parse(self._text, self._place)
            except (ValueError, RecursionError) as error:
                is_too_long = len(self._text) - self._place > MAX_RECORD_CHARACTERS
                if is_too_long or isinstance(error, RecursionError) or not self._read_on():
                    problem, place = getattr(error, "msg", str(error)), getattr(error, "pos", self._place)
                    size = f"; the record is longer than {size_text(MAX_RECORD_CHARACTERS)}" if is_too_long else ""
                    raise self._not_json(problem, index, place, note=size) from error
                continue
            if end + LOOK_AHEAD <= len(self._text) or not self._read_on():
                self._place = end
                return value

    def _next_character(self) -> str:
        """The next character that is no white space; empty at the end of the file."""
        while True:
            while self._place < len(self._text):
                if not self._text[self._place].isspace():
                    return self._text[self._place]
                self._place += 1
            if not self._read_on():
                return ""

    def _read_on(self) -> bool:
        """Append more text, at least as much as is still unparsed, so that a long value is parsed a few times only."""
        if self._is_ended:
            return False
        chunk = self._file.read(max(CHUNK_BYTES, len(self._text) - self._place))
        self._is_ended = not chunk
        self._advance(len(chunk))
        try:
            self._text = self._text[self._place :] + self._decode_bytes(chunk, final=self._is_ended)
        except UnicodeDecodeError as error:
            raise DataError(f"{self._path} is not JSON: it is not UTF-8 ({error})") from error
        self._place = 0
        return True

    def _not_json(self, problem: str, index: int, place: int | None = None, note: str = "") -> DataError:
        """``place`` is where in the window the problem lies; else where reading is."""
        place = self._place if place is None else place
        around = self._text[max(0, place - 30) : place + 30]
        return DataError(f"{self._path} is not JSON: {problem}, at record {index} near {around!r}{note}")
