"""The members of a zip or tar archive, one after the other, without trusting what the archive says about itself.

Only plain files and folders come through. Of a zip all members are looked at before the first is handed out; a tar is
a stream, so a bad member shows when it is reached.
"""

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol, Self, cast

from pipeline.core.errors import DataError
from pipeline.core.safe_paths import safe_parts

BLOCK_BYTES = 1 << 20
ENCRYPTED_FLAG = 0x1
UTF8_FLAG = 0x800


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may become at most."""

    max_bytes: int = 1_000_000_000_000
    max_member_bytes: int = 100_000_000_000
    max_members: int = 10_000_000
    max_ratio: float = 100.0
    """Bytes that come out for each byte of the archive, once they are more than ``free_bytes``."""
    free_bytes: int = 100_000_000
    """So many bytes may come out of any archive, however small it is."""
    max_header_bytes: int = 16_000_000
    """What tar may read to know the next member; long names and attributes are kept in memory."""


class Readable(Protocol):
    """Bytes in order."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Member:
    """A file or folder of an archive; ``num_bytes`` is what the archive declares."""

    name: str
    num_bytes: int
    is_folder: bool
    open: Callable[[], Readable]


@dataclass(frozen=True, slots=True)
class Members:
    """All members, and how far the archive has been read, for a progress."""

    each: Iterator[Member]
    total: int
    unit: str
    position: Callable[[], int]


def is_root(name: str) -> bool:
    """Whether a member stands for the folder itself, as ``./`` does in many tars."""
    return name != "" and set(name.split("/")) <= {"", "."} and not name.startswith("/")


@contextmanager
def open_archive(path: Path, limits: Limits) -> Iterator[Members]:
    """The members of a zip, tar or tar.gz; the format is told from the first bytes.

    Raises:
        DataError: also while the members are taken: one is not a plain file or folder, or breaks a limit.
    """
    with path.open("rb") as raw:
        start = raw.read(512)
        raw.seek(0)
        if start[:2] == b"PK":
            with zipfile.ZipFile(raw) as archive:
                yield _zip_members(path, archive, limits)
        elif start[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=raw) as unzipped:
                yield _tar_members(path, raw, unzipped, limits)
        elif start[257:262] == b"ustar" or tarfile.is_tarfile(path):
            yield _tar_members(path, raw, raw, limits)
        else:
            raise DataError(f"{path} is not a zip, tar or tar.gz archive")


class _Metered:
    """Counts the bytes that come out, and stops when they are more than the limits allow."""

    def __init__(self, stream: Readable, path: Path, limits: Limits) -> None:
        self._stream = stream
        self._path = path
        self._limits = limits
        self._num_bytes = 0
        self._archive_bytes = path.stat().st_size
        self.header_bytes_left: int | None = None

    def of(self, stream: Readable) -> Self:
        """Count on, in another stream of the same archive."""
        self._stream = stream
        return self

    def read(self, size: int, /) -> bytes:
        block = self._stream.read(size)
        self._num_bytes += len(block)
        if self._num_bytes > self._limits.max_bytes:
            raise DataError(f"{self._path} becomes more than {self._limits.max_bytes} bytes, the most that is expected")
        if self._num_bytes > max(self._limits.free_bytes, self._limits.max_ratio * self._archive_bytes):
            raise DataError(
                f"{self._path} has {self._archive_bytes} bytes and becomes more than {self._num_bytes}: "
                f"over {self._limits.max_ratio:.0f} times as much, which no honest archive does"
            )
        if self.header_bytes_left is not None:
            self.header_bytes_left -= len(block)
            if self.header_bytes_left < 0:
                raise DataError(
                    f"{self._path}: a member's description is larger than {self._limits.max_header_bytes} bytes"
                )
        return block


def _zip_members(path: Path, archive: zipfile.ZipFile, limits: Limits) -> Members:
    infos = archive.infolist()
    if len(infos) > limits.max_members:
        raise DataError(f"{path} has {len(infos)} members, more than the {limits.max_members} that are expected")
    for info in infos:
        _check_zip_member(path, info)
    done = 0

    def each() -> Iterator[Member]:
        nonlocal done
        meter = _Metered(io.BytesIO(), path, limits)
        for info in infos:
            yield Member(
                _zip_name(info),
                info.file_size,
                info.is_dir(),
                partial(_opened, archive, info, meter),
            )
            done += 1

    return Members(each(), total=len(infos), unit="files", position=lambda: done)


def _opened(archive: zipfile.ZipFile, info: zipfile.ZipInfo, meter: _Metered) -> Readable:
    return meter.of(archive.open(info))


def _check_zip_member(path: Path, info: zipfile.ZipInfo) -> None:
    if not is_root(_zip_name(info)):
        safe_parts(_zip_name(info), where=str(path))
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(f"{path}: member {info.orig_filename!r} is a {_kind_of_mode(kind)}; only plain files are taken")
    if info.flag_bits & ENCRYPTED_FLAG:
        raise DataError(f"{path}: member {info.orig_filename!r} is encrypted; unpack the archive by hand")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{path}: member {info.orig_filename!r} is compressed in a rare way; unpack it by hand")


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name as it was meant: many tools write UTF-8 without saying so."""
    if info.flag_bits & UTF8_FLAG:
        return info.orig_filename
    try:
        return info.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.orig_filename


def _tar_members(path: Path, raw: IO[bytes], stream: Any, limits: Limits) -> Members:
    meter = _Metered(stream, path, limits)

    def each() -> Iterator[Member]:
        meter.header_bytes_left = limits.max_header_bytes
        num_members, metered = 0, cast(Any, meter)
        with tarfile.open(fileobj=metered, mode="r|", bufsize=BLOCK_BYTES, tarinfo=_StrictTarInfo) as archive:
            while info := archive.next():
                meter.header_bytes_left = None
                cast(Any, archive).members.clear()  # tarfile remembers every member for ever
                num_members += 1
                if num_members > limits.max_members:
                    raise DataError(f"{path} has more than the {limits.max_members} members that are expected")
                _check_tar_member(path, info)
                content: Readable = (info.isfile() and archive.extractfile(info)) or io.BytesIO()
                yield Member(info.name, info.size, info.isdir(), partial(_same, content))
                while content.read(BLOCK_BYTES):
                    pass
                meter.header_bytes_left = limits.max_header_bytes + BLOCK_BYTES
        meter.header_bytes_left = None
        while meter.read(BLOCK_BYTES):  # gzip checks its sum at the very end
            pass

    return Members(each(), total=path.stat().st_size, unit="bytes", position=raw.tell)


def _same(content: Readable) -> Readable:
    return content


class _StrictTarInfo(tarfile.TarInfo):
    """A broken header is an error; tarfile takes one in the middle of an archive for its end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error} at byte {archive.offset}") from error


def _check_tar_member(path: Path, info: tarfile.TarInfo) -> None:
    kinds = {"symbolic link": info.issym(), "hard link": info.islnk(), "sparse file": info.issparse()}
    kind = next((name for name, is_so in kinds.items() if is_so), None)
    if kind is None and not (info.isfile() or info.isdir()):
        kind = "device, pipe or something else"
    if kind:
        raise DataError(f"{path}: member {info.name!r} is a {kind}; only plain files are taken")


def _kind_of_mode(kind: int) -> str:
    names = {stat.S_IFLNK: "symbolic link", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
    return names.get(kind, "device or something else")
