"""A remote folder of objects through fsspec: ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``file:///mnt/share``.

Credentials come from the environment alone (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``, ...): a URL that has some is
refused. Errors of the libraries below leave this module as those of ``pipeline.core.errors``.
"""

import errno
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import fsspec
from fsspec.callbacks import Callback

from pipeline.core.censoring import censored
from pipeline.core.errors import ConfigError, PipelineError, StoreError, TransientError
from pipeline.core.files import appearing

PACKAGES = {"file": "fsspec", "gs": "gcsfs", "s3": "'llava-jp-pipeline[s3]'"}
"""What to install for a protocol."""
OPTIONS: dict[str, dict[str, object]] = {
    "file": {"auto_mkdir": True},
    "gs": {},
    "s3": {"max_concurrency": 2},  # parts of 50 MB that one file has in memory
}
BLOCK_BYTES = 16_000_000
"""Read at once."""
LIBRARIES = ("aiobotocore", "botocore", "fsspec", "gcsfs", "s3fs", "urllib3")

OnBytes = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class StorageUrl:
    """A URL taken apart; ``container`` is the bucket, or the whole folder of ``file://``."""

    protocol: str
    container: str
    prefix: str

    @property
    def root(self) -> str:
        return f"{self.container}/{self.prefix}" if self.prefix else self.container

    def __str__(self) -> str:
        return f"{self.protocol}://{self.root}"


def parse_url(url: str) -> StorageUrl:
    """Take a URL apart.

    Raises:
        ConfigError: it is none, holds credentials, or is of a protocol that is not known. No secret is in the message.
    """
    protocol, separator, rest = url.partition("://")
    authority = rest.partition("/")[0]
    if protocol != "file" and re.search("[:@]", authority):
        raise ConfigError(
            f"the URL {protocol}://…@{rest.rpartition('@')[2] if '@' in rest else '…'} has credentials in it; "
            "leave them out and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead"
        )
    if not separator or protocol not in PACKAGES:
        raise ConfigError(
            f"{url.partition('?')[0]!r} is not the URL of a storage; "
            "there are s3://bucket/prefix, gs://bucket/prefix and file:///folder"
        )
    parts = [part for part in rest.split("/") if part]
    problems = {
        "it has a query": "?" in rest and protocol != "file",
        "it climbs with '..'": ".." in parts,
        "it names no bucket": protocol != "file" and not authority,
        "it names no folder": protocol == "file" and not parts,
        "a file:// URL needs three slashes": protocol == "file" and not rest.startswith("/"),
    }
    if reasons := [reason for reason, is_so in problems.items() if is_so]:
        raise ConfigError(f"the URL {url.partition('?')[0]!r} cannot be used: {', '.join(reasons)}")
    if protocol == "file":
        return StorageUrl(protocol, "/" + "/".join(parts), "")
    return StorageUrl(protocol, parts[0], "/".join(parts[1:]))


def open_storage(url: str) -> "ObjectStorage":
    """Connect to a storage that exists.

    Raises:
        ConfigError: the URL is wrong, a package is missing, there is no such bucket or folder, or no access to it.
        TransientError: no server answers.
    """
    parsed = parse_url(url)
    if parsed.protocol == "s3" and "@" in endpoint():
        raise ConfigError("AWS_ENDPOINT_URL has credentials in it; leave them out and set AWS_ACCESS_KEY_ID instead")
    for name in LIBRARIES:  # their warnings are about what we explain ourselves, and their debug lines hold headers
        logging.getLogger(name).setLevel(logging.CRITICAL)
    options = {"skip_instance_cache": True, "use_listings_cache": False, **OPTIONS[parsed.protocol]}
    try:
        filesystem = fsspec.filesystem(parsed.protocol, **options)
    except ImportError as error:
        raise ConfigError(
            f"{parsed.protocol}:// needs a package that is not installed: pip install {PACKAGES[parsed.protocol]}"
        ) from error
    storage = ObjectStorage(filesystem, parsed)
    try:
        storage.require_container()
    except ValueError as error:  # botocore's for an address that is none; its text would hold the address
        raise ConfigError(
            f"{parsed} cannot be used: AWS_ENDPOINT_URL or another AWS_* variable is not valid"
        ) from error
    return storage


class ObjectStorage:
    """The objects below one URL, by their keys (``artifacts/…``). Safe to share between threads."""

    def __init__(self, filesystem: Any, url: StorageUrl) -> None:
        self.url = url
        self.filesystem = filesystem

    def url_of(self, key: str) -> str:
        return f"{self.url}/{key}".rstrip("/")

    def require_container(self) -> None:
        """Check that the bucket or folder is there.

        Raises:
            ConfigError: it is not.
            TransientError: no server answers.
        """
        with self._explained(""):
            try:
                if self.filesystem.info(self.url.container)["type"] != "directory":
                    raise FileNotFoundError
            except FileNotFoundError as error:
                kind = "folder" if self.url.protocol == "file" else "bucket"
                raise ConfigError(
                    f"there is no {kind} {self.url.container!r}; make it first, or correct the URL {self.url}"
                ) from error
            except PermissionError:
                if self.url.protocol == "file":
                    raise
                # credentials for a prefix alone may not ask for the bucket; the next request shows what they may

    def folders(self, key: str) -> tuple[str, ...]:
        """Names of what lies directly below a key, sorted; none where there is nothing."""
        with self._explained(key):
            try:
                entries = self.filesystem.ls(self._path(key), detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return ()
        return tuple(sorted(entry["name"].rstrip("/").rpartition("/")[2] for entry in entries))

    def sizes(self, key: str) -> dict[str, int]:
        """Bytes of every object below a key, by its key."""
        start = len(self._path("")) + 1
        with self._explained(key):
            try:
                found = self.filesystem.find(self._path(key), detail=True)
            except FileNotFoundError:
                return {}
        return {path[start:]: entry["size"] for path, entry in found.items()}

    def size(self, key: str) -> int | None:
        """Bytes of an object; None when it is not there."""
        with self._explained(key):
            try:
                entry = self.filesystem.info(self._path(key))
            except (FileNotFoundError, NotADirectoryError):
                return None
        return int(entry["size"]) if entry["type"] == "file" else None

    def read(self, key: str, *, max_bytes: int) -> bytes | None:
        """A small object; None when it is not there.

        Raises:
            StoreError: it is larger than ``max_bytes``.
        """
        num_bytes = self.size(key)
        if num_bytes is None:
            return None
        if num_bytes > max_bytes:
            raise StoreError(f"{self.url_of(key)} has {num_bytes} bytes, more than the {max_bytes} that it may have")
        return b"".join(self.blocks(key, num_bytes=num_bytes))

    def blocks(self, key: str, *, num_bytes: int) -> Iterator[bytes]:
        """The first ``num_bytes`` of an object.

        Raises:
            StoreError: it is shorter.
        """
        for start in range(0, num_bytes, BLOCK_BYTES):
            end = min(start + BLOCK_BYTES, num_bytes)
            with self._explained(key):
                try:
                    block: bytes = self.filesystem.cat_file(self._path(key), start=start, end=end)
                except FileNotFoundError as error:
                    raise StoreError(f"{self.url_of(key)} is gone meanwhile") from error
            if len(block) != end - start:
                raise StoreError(
                    f"{self.url_of(key)} gave {len(block)} bytes for {start} to {end}: it is being changed"
                )
            yield block

    def upload(self, path: Path, key: str, *, on_bytes: OnBytes) -> None:
        """Make an object of a file. Whole or absent: an interrupted upload leaves no object under this key.

        Object stores promise that of a PUT and of a multipart upload, whose unfinished parts are not seen (they cost
        storage until a lifecycle rule of the bucket removes them); in a folder the copy gets its name at the end.
        """
        with self._explained(key):
            if self.url.protocol == "file":
                self._copy(path, key, on_bytes)
            else:
                self.filesystem.put_file(str(path), self._path(key), callback=_Told(on_bytes))

    def write(self, key: str, content: bytes) -> None:
        """Make a small object, in the same way."""
        with self._explained(key):
            if self.url.protocol == "file":
                with appearing(Path(self._path(key))) as unfinished:
                    self.filesystem.pipe_file(str(unfinished), content)
            else:
                self.filesystem.pipe_file(self._path(key), content)

    def remove(self, key: str) -> None:
        """Remove an object, if it is there."""
        with self._explained(key), suppress(FileNotFoundError):
            self.filesystem.rm_file(self._path(key))

    def _copy(self, path: Path, key: str, on_bytes: OnBytes) -> None:
        with (
            appearing(Path(self._path(key))) as unfinished,
            path.open("rb") as source,
            self.filesystem.open(str(unfinished), "wb") as copy,
        ):
            while block := source.read(BLOCK_BYTES):
                copy.write(block)
                on_bytes(len(block))

    def _path(self, key: str) -> str:
        return f"{self.url.root}/{key}".rstrip("/")

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise  # an answer that the caller asked for
        except Exception as error:
            if explanation := explained_error(error, self.url_of(key)):
                raise explanation from error
            raise


class _Told(Callback):  # type: ignore[misc]
    """fsspec's way to say how many bytes of an upload are done."""

    def __init__(self, on_bytes: OnBytes) -> None:
        super().__init__()
        self._on_bytes = on_bytes

    def relative_update(self, inc: int = 1) -> None:
        self._on_bytes(inc)


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
NOT_READY = (errno.EBUSY, errno.EIO, errno.EREMOTEIO, errno.ESTALE)
"""As s3fs translates 5xx, SlowDown and codes that it does not know; a share that went away."""

ErrorTypes = tuple[type[BaseException], ...]


class LibraryErrors(NamedTuple):
    """Error types of botocore and aiohttp by what they mean."""

    credentials: ErrorTypes = ()
    network: ErrorTypes = ()
    other: ErrorTypes = ()


def endpoint() -> str:
    """The server of S3 that the environment names; empty for Amazon's."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def explained_error(error: Exception, where: str) -> PipelineError | TransientError | None:
    """The error of ``pipeline.core.errors`` for one of the libraries or the system; None when it is none of theirs."""
    library = _library_errors()
    if isinstance(error, library.credentials):
        return ConfigError(
            f"{where}: no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        )
    if isinstance(error, PermissionError):
        to_check = "its permissions" if where.startswith("file:") else "the credentials in AWS_* and what they allow"
        return ConfigError(f"{where}: access is denied ({_reason(error)}); check {to_check}")
    if isinstance(error, (*library.network, TimeoutError, ConnectionError)):
        return TransientError(
            f"{where}: no answer from {endpoint() or 'the server'} ({type(error).__name__}). "
            "Run the same command again: what is whole is kept"
        )
    if isinstance(error, OSError) and error.errno in NOT_READY:
        return TransientError(
            f"{where}: the storage is not ready ({_reason(error)}). Run the same command again: what is whole is kept"
        )
    if isinstance(error, OSError) and error.errno in FULL:
        return StoreError(
            f"{where} cannot be written: {_reason(error)}. Make room there and run the same command again"
        )
    if isinstance(error, (*library.other, OSError)):
        return ConfigError(f"{where} cannot be used: {_reason(error)}")
    return None


def _reason(error: Exception) -> str:
    """An error's text in one line, without secrets."""
    return censored(" ".join(str(getattr(error, "strerror", None) or error).split()))


@cache
def _library_errors() -> LibraryErrors:
    try:
        import aiohttp
        from botocore import exceptions as boto
    except ImportError:  # file:// needs neither
        return LibraryErrors()
    return LibraryErrors(
        credentials=(boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError),
        network=(
            boto.EndpointConnectionError,
            boto.ConnectTimeoutError,
            boto.ProxyConnectionError,
            boto.HTTPClientError,
            boto.IncompleteReadError,
            aiohttp.ClientError,
        ),
        other=(boto.BotoCoreError, boto.ClientError),
    )
