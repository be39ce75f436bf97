"""Fetch one file over HTTP, from the Hub or any other server: resumed, checked, and complete or absent.

One downloader for all, because ``hf_hub_download`` keeps a cache of its own, checks sizes but not hashes, and does not
know plain servers. What is being fetched lies beside its place as ``NAME.part``, with ``NAME.part.json`` that says what
it is a part of. A file gets its name after its size and its hash were checked and its bytes are on the disk.
"""

import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import httpx

from pipeline.core.censoring import has_credentials, without_credentials
from pipeline.core.errors import DataError, TransientError
from pipeline.core.files import flush, write_text
from pipeline.core.hashing import sha256_of_file
from pipeline.core.retries import Patience, TryAgainError, retry_after
from pipeline.core.transfers import TransferStoppedError
from pipeline.core.wording import size_text
from pipeline.store.lockfile import LockedFile

log = logging.getLogger(__name__)

BUSY_STATUSES = (408, 425, 429, 500, 502, 503, 504)
HEADERS = {"User-Agent": "llava-jp", "Accept-Encoding": "identity"}
"""Ranges and lengths count the bytes that travel, so they must not be compressed on the way."""


PART_SUFFIX = ".part"
BLOCK_BYTES = 1 << 20
LARGE_BYTES = 1_000_000_000
"""The check of a larger file takes long enough to be announced."""


class WrongContentError(Exception):
    """The server sends something else than was announced."""


class PartialFile:
    """The bytes of one file that have come so far."""

    def __init__(self, path: Path, file: LockedFile, url: str) -> None:
        self.target = path
        self.file = file
        self.url = url
        self.path = path.with_name(path.name + PART_SUFFIX)
        self._note = path.with_name(path.name + PART_SUFFIX + ".json")
        self.validator: str | None = None
        """What the server calls this version of the file: a strong ETag, or the date of its last change."""
        self._etag: str | None = file.etag
        if self.path.exists() and not self._belongs():
            self.discard()

    @property
    def num_bytes(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def can_be_resumed(self) -> bool:
        """Whether a mixture of two versions would be noticed."""
        return None not in (self.validator, self.file.num_bytes) or self._identity()["sha256"] is not None

    def _identity(self) -> dict[str, str | int | None]:
        url = without_credentials(self.url) if has_credentials(self.url) else self.url  # it is written down
        return {"url": url, "num_bytes": self.file.num_bytes, "sha256": self.file.sha256 or self.file.git_sha1}

    def _belongs(self) -> bool:
        """Whether the part that is there can be gone on with; sets the validator."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            self.validator = note.pop("validator")
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return False
        return self.can_be_resumed and bool(note == self._identity())

    def begin(self, validator: str | None, etag: str | None) -> None:
        """Start with no bytes."""
        self.discard()
        self.validator = validator
        self._etag = etag
        write_text(self._note, json.dumps({**self._identity(), "validator": validator}))

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self.validator = None

    def checked(self) -> LockedFile:
        """The file as it came.

        Raises:
            WrongContentError: its size or its hash is not what was announced.
        """
        expected, num_bytes = self.file, self.num_bytes
        if expected.num_bytes not in (None, num_bytes):
            raise WrongContentError(f"{num_bytes} bytes came, expected {expected.num_bytes}")
        if num_bytes >= LARGE_BYTES:
            log.info("%s: all %s came; checking their sha256", self.target.name, size_text(num_bytes))
        sha256 = sha256_of_file(self.path)
        if expected.sha256 not in (None, sha256):
            raise WrongContentError(f"the sha256 is {sha256}, expected {expected.sha256}")
        if expected.git_sha1 is not None and expected.git_sha1 != (git_sha1 := git_sha1_of_file(self.path)):
            raise WrongContentError(f"the git sha1 is {git_sha1}, expected {expected.git_sha1}")
        return expected.model_copy(update={"num_bytes": num_bytes, "sha256": sha256, "etag": self._etag})

    def publish(self) -> None:
        flush(self.path)
        os.replace(self.path, self.target)
        self._note.unlink(missing_ok=True)


def git_sha1_of_file(path: Path) -> str:
    """The name that git gives to a file's content."""
    sha1 = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            sha1.update(block)
    return sha1.hexdigest()


class RefusedError(Exception):
    """The server says no, and would say it again; the caller knows what a user can do."""

    def __init__(self, url: str, status: int, error_code: str | None = None) -> None:
        super().__init__(f"{url}: status {status}")
        self.url = url
        self.status = status
        self.error_code = error_code


@dataclass(frozen=True, slots=True)
class Connection:
    """What all downloads of one call share."""

    client: httpx.Client
    patience: Patience
    stop: threading.Event
    on_bytes: Callable[[int], None]
    """Told of bytes that came (or, negative, were thrown away)."""

    @classmethod
    def open(cls, patience: Patience, *, on_bytes: Callable[[int], None] = lambda _count: None) -> "Connection":
        client = httpx.Client(follow_redirects=True, timeout=patience.timeout, headers=HEADERS)
        return cls(client, patience, threading.Event(), on_bytes)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()


def fetch_file(file: LockedFile, path: Path, *, url: str, headers: Mapping[str, str], to: Connection) -> LockedFile:
    """Fetch one file to ``path`` and return it with its size and sha256; a part that is there is gone on with.

    ``headers`` (a token) are not sent on when the server redirects to another one.

    Raises:
        RefusedError: the server does not give the file.
        DataError: what it gives is, twice, not what was announced.
        TransientError: the network or the server is not up to it now; the part stays.
        TransferStoppedError: ``to.stop`` was set; the part stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _complete(PartialFile(path, file, url), headers, to)
    except WrongContentError as error:
        log.warning("%s: %s; fetching it once more", path.name, error)
    try:
        return _complete(PartialFile(path, file, url), headers, to)
    except WrongContentError as error:
        raise DataError(
            f"{path}: {error}, twice, from {url}. The file on the server is damaged or has changed since it was pinned"
        ) from error


def describe_url(path: str, url: str, to: Connection) -> LockedFile:
    """Size and ETag of a file on a plain server, without fetching it.

    Raises:
        RefusedError: the server does not give the file.
        TransientError: the network or the server is not up to it now.
    """
    return to.patience.call(
        lambda: _described(path, url, to),
        stop=to.stop,
        give_up=lambda _, error: TransientError(f"{url} does not answer: {error}; try again later"),
    )


@contextmanager
def _lost_connections() -> Iterator[None]:
    """May be there for the next attempt."""
    try:
        yield
    except httpx.RequestError as error:
        raise TryAgainError(str(error) or type(error).__name__) from error


@_lost_connections()
def _described(path: str, url: str, to: Connection) -> LockedFile:
    response = to.client.head(url)
    if response.status_code in (405, 501) or (response.is_success and _total(response) is None):
        with to.client.stream("GET", url, headers={"Range": "bytes=0-0"}) as response:
            _accept(response, url)
            return LockedFile(path=path, url=url, num_bytes=_total(response), etag=response.headers.get("ETag"))
    _accept(response, url)
    return LockedFile(path=path, url=url, num_bytes=_total(response), etag=response.headers.get("ETag"))


def _complete(part: PartialFile, headers: Mapping[str, str], to: Connection) -> LockedFile:
    """All bytes, checked and in their place."""
    try:
        _receive_all(part, headers, to)
        found = part.checked()
    except WrongContentError:
        to.on_bytes(-part.num_bytes)
        part.discard()
        raise
    part.publish()
    return found


def _receive_all(part: PartialFile, headers: Mapping[str, str], to: Connection) -> None:
    """Attempts, until all bytes are there."""

    def give_up(failures: int, error: TryAgainError) -> Exception:
        if to.stop.is_set():
            return TransferStoppedError()
        return TransientError(
            f"{part.url}: {error}, {failures} times in a row; {size_text(part.num_bytes)} are kept, "
            "run the same command again to go on"
        )

    to.patience.call(
        lambda: _receive(part, headers, to),
        stop=to.stop,
        give_up=give_up,
        on_failure=lambda _, error: log.debug("%s: %s", part.target.name, error),
        num_bytes=lambda: part.num_bytes,
    )


@_lost_connections()
def _receive(part: PartialFile, headers: Mapping[str, str], to: Connection) -> None:
    """One attempt to get what is missing."""
    if to.stop.is_set():
        raise TransferStoppedError
    start, expected = part.num_bytes, part.file.num_bytes
    if part.path.exists() and start == expected:
        return
    asked = dict(headers)
    if start and not part.can_be_resumed:
        _give_up(part, to, "nothing says what the part is a part of")
    if start:
        asked["Range"] = f"bytes={start}-"
        if part.validator:
            asked["If-Range"] = part.validator
    with to.client.stream("GET", part.url, headers=asked) as response:
        if response.status_code == 416:
            _give_up(part, to, "the server does not have the rest of the part")
        _accept(response, part.url)
        _place(part, response, to)
        with part.path.open("ab") as file:
            for chunk in response.iter_raw():  # as it comes, so that a drop loses nothing
                file.write(chunk)
                to.on_bytes(len(chunk))
                if to.stop.is_set():
                    raise TransferStoppedError
                if expected is not None and file.tell() > expected:
                    raise WrongContentError(f"more than the expected {expected} bytes came")
    if expected is not None and part.num_bytes < expected:
        raise TryAgainError(f"the answer ended at byte {part.num_bytes} of {expected}")


def _place(part: PartialFile, response: httpx.Response, to: Connection) -> None:
    """Decide where the answer's bytes belong: after the part, or instead of it.

    Raises:
        TryAgainError: they belong elsewhere, so the part is given up.
        WrongContentError: the file on the server has another size.
    """
    total, expected = _total(response), part.file.num_bytes
    if total is not None and expected is not None and total != expected:
        raise WrongContentError(f"the server's file has {total} bytes, expected {expected}")
    is_open_ended = total is None and response.headers.get("Transfer-Encoding", "").lower() != "chunked"
    if is_open_ended and expected is None:
        raise WrongContentError("the server does not say how long the file is, so a cut could not be noticed")
    validator = _validator(response)
    if response.status_code == 206 and _range_start(response) != part.num_bytes:
        _give_up(part, to, "the server sends other bytes than those asked for")
    if response.status_code == 206 and part.num_bytes and None not in (validator, part.validator):
        if validator != part.validator:
            _give_up(part, to, "the file changed on the server")
        return
    if response.status_code != 206 or not part.num_bytes:
        to.on_bytes(-part.num_bytes)
        part.begin(validator, response.headers.get("ETag"))


def _give_up(part: PartialFile, to: Connection, reason: str) -> None:
    to.on_bytes(-part.num_bytes)
    part.discard()
    raise TryAgainError(f"{reason}; starting over")


def _accept(response: httpx.Response, url: str) -> None:
    """Let only answers with content through."""
    if response.status_code in BUSY_STATUSES:
        raise TryAgainError(f"the server answers {response.status_code}", after=retry_after(response.headers))
    if response.status_code not in (200, 206):
        raise RefusedError(url, response.status_code, response.headers.get("X-Error-Code"))


def _total(response: httpx.Response) -> int | None:
    """Bytes of the whole file, from the headers of an answer with all or some of it."""
    if response.status_code == 206:
        text = response.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None


def _range_start(response: httpx.Response) -> int | None:
    text = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(text) if text.isdecimal() else None


def _validator(response: httpx.Response) -> str | None:
    """What the server calls this version: a strong ETag, or the date of the last change."""
    etag = str(response.headers.get("ETag", ""))
    date: str | None = response.headers.get("Last-Modified")
    return etag if etag.startswith('"') else date
