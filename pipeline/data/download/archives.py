"""Unpack archives from the internet, which are hostile until proven otherwise.

Nothing is written outside the folder: no absolute or climbing names, no links, no devices, and not through links that
are there. Sizes are limited by the bytes that come out, whatever the archive declares. Members are streamed, written
aside and renamed, so a file with its name is whole, and a second call goes on after a kill.

Below the folder, ``.unpacked/<archive>.json`` says what was unpacked from which bytes; it is how a second call knows.
"""

import errno
import gzip
import os
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Literal

from pipeline.core.disk import explaining_full_disk
from pipeline.core.errors import DataError
from pipeline.core.files import write_text
from pipeline.core.hashing import sha256_of_file
from pipeline.core.progress import Progress
from pipeline.core.safe_paths import refuse_links, safe_parts
from pipeline.data.download.archive_members import BLOCK_BYTES, Limits, Member, is_root, open_archive
from pipeline.store.manifest import Record

MARKER_FOLDER = ".unpacked"
SECONDS_BETWEEN_REPORTS = 0.2
SECONDS_BETWEEN_NOTES = 2.0
DAMAGES = (
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    tarfile.TarError,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    NotImplementedError,
)
"""What the standard library raises for broken archives."""
BAD_NAMES = (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTEMPTY, errno.ENOTDIR, errno.EILSEQ, errno.EINVAL)


class Unpacked(Record):
    """What became of an archive, as its marker says."""

    archive: str
    sha256: str
    subfolder: str
    state: Literal["begun", "done"]
    num_files: int = 0
    """Files that are in their place; of an archive that is being unpacked, as of some seconds ago."""
    num_bytes: int = 0


def unpack(
    archive: Path, folder: Path, *, sha256: str | None = None, subfolder: str = "", limits: Limits | None = None
) -> Unpacked:
    """Unpack a zip, tar or tar.gz below ``folder``; at once if that was done before.

    ``sha256`` is the archive's, if it is known; otherwise the archive is read once more to know it. With
    ``subfolder``, only what the archive has below that folder comes out, without its name.

    Raises:
        DataError: a member is not a plain file or folder, would lie outside, or is there twice; the archive is
            encrypted, damaged, cut short, or becomes more than the limits allow. The message names the member.
        StoreError: the disk is full.
    """
    asked = Unpacked(archive=archive.name, sha256=sha256 or sha256_of_file(archive), subfolder=subfolder, state="begun")
    before = read_marker(archive.name, folder)
    is_same = before is not None and _identity(before) == _identity(asked)
    if before and before.state == "done" and is_same:
        return before
    with explaining_full_disk(f"unpacking {archive.name}", folder):
        _write_marker(before if before and is_same else asked, folder)
        unpacking = _Unpacking(asked, archive, folder.resolve(), resumed=before if is_same else None)
        try:
            unpacking.run(limits or Limits())
        except DAMAGES as error:
            raise DataError(f"{archive} is damaged: {error or type(error).__name__}; fetch it again") from error
        os.sync()  # once for all files, before the marker says that they are there
        done = unpacking.marker(state="done")
        _write_marker(done, folder)
    return done


def is_unpacked(archive_name: str, folder: Path, *, sha256: str | None = None) -> bool:
    """Whether an archive of this name (and of these bytes, where they are given) was unpacked completely."""
    marker = read_marker(archive_name, folder)
    return marker is not None and marker.state == "done" and sha256 in (None, marker.sha256)


def read_marker(archive_name: str, folder: Path) -> Unpacked | None:
    """What is known about an archive that was, or is being, unpacked below ``folder``."""
    try:
        return Unpacked.model_validate_json(_marker_path(archive_name, folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


class _Unpacking:
    """One pass through an archive."""

    def __init__(self, asked: Unpacked, archive: Path, folder: Path, *, resumed: Unpacked | None) -> None:
        self.asked = asked
        self.archive = archive
        self.folder = folder
        self.prefix = PurePosixPath(asked.subfolder).parts
        self.resumed = resumed
        self.num_files = 0
        self.num_bytes = 0
        self._aside = folder / MARKER_FOLDER / f"{archive.name}.tmp"
        self._ignores_case = _ignores_case(folder / MARKER_FOLDER)
        self._taken: set[str] = set()
        self._folders: set[tuple[str, ...]] = set()

    def marker(self, *, state: Literal["begun", "done"]) -> Unpacked:
        """What is done so far; what an earlier call did stays counted until this one has come as far."""
        least = self.resumed if self.resumed and state == "begun" else self.asked
        counts = {
            "num_files": max(self.num_files, least.num_files),
            "num_bytes": max(self.num_bytes, least.num_bytes),
        }
        return self.asked.model_copy(update={"state": state, **counts})

    def run(self, limits: Limits) -> None:
        with open_archive(self.archive, limits) as members:
            progress = Progress(f"unpack {self.archive.name}", total=members.total, unit=members.unit)
            reported, noted = 0.0, time.monotonic()
            for member in members.each:
                self._unpack(member, limits)
                now = time.monotonic()
                if now - reported >= SECONDS_BETWEEN_REPORTS:
                    progress.advance(members.position() - progress.done)
                    reported = now
                if now - noted >= SECONDS_BETWEEN_NOTES:
                    _write_marker(self.marker(state="begun"), self.folder)
                    noted = now
            progress.advance(members.position() - progress.done)
        progress.finish()

    def _unpack(self, member: Member, limits: Limits) -> None:
        if member.is_folder and is_root(member.name):
            return
        parts = safe_parts(member.name, where=str(self.archive))
        if parts[: len(self.prefix)] != self.prefix or (member.is_folder and parts == self.prefix):
            return
        parts = parts[len(self.prefix) :]
        if not parts or parts[0].casefold() == MARKER_FOLDER:
            raise DataError(f"{self.archive}: member {member.name!r} would take the place of a folder of ours")
        with self._naming(member):
            if member.is_folder:
                self._make_folder(parts)
                return
            self._refuse_repeated(parts, member)
            self._make_folder(parts[:-1])
            self._write(member, self.folder.joinpath(*parts), limits)

    def _write(self, member: Member, target: Path, limits: Limits) -> None:
        if member.num_bytes > limits.max_member_bytes:
            raise DataError(
                f"{self.archive}: member {member.name!r} has {member.num_bytes} bytes, "
                f"more than the {limits.max_member_bytes} that are expected"
            )
        if not (self.resumed and _has_size(target, member.num_bytes)):
            content, num_bytes = member.open(), 0
            with self._aside.open("wb") as file:
                while block := content.read(BLOCK_BYTES):
                    num_bytes += file.write(block)
            if num_bytes != member.num_bytes:
                raise DataError(f"{self.archive}: member {member.name!r} is cut short; fetch the archive again")
            os.replace(self._aside, target)  # a link in its place is replaced, not followed
        self.num_files += 1
        self.num_bytes += member.num_bytes

    def _make_folder(self, parts: tuple[str, ...]) -> None:
        if parts not in self._folders:
            refuse_links(self.folder, parts, where=str(self.archive))
            self.folder.joinpath(*parts).mkdir(parents=True, exist_ok=True)
            self._folders.add(parts)

    def _refuse_repeated(self, parts: tuple[str, ...], member: Member) -> None:
        name = "/".join(parts)
        key = name.casefold() if self._ignores_case else name
        if key in self._taken:
            raise DataError(f"{self.archive} has {member.name!r} twice, so which one is meant is not known")
        self._taken.add(key)

    @contextmanager
    def _naming(self, member: Member) -> Iterator[None]:
        """Say which member has a name that the disk does not take."""
        try:
            yield
        except OSError as error:
            if error.errno not in BAD_NAMES:
                raise
            reason = os.strerror(error.errno)
            raise DataError(f"{self.archive}: member {member.name!r} cannot be written: {reason}") from error


def _identity(unpacked: Unpacked) -> tuple[str, str]:
    return unpacked.sha256, unpacked.subfolder


def _marker_path(archive_name: str, folder: Path) -> Path:
    return folder / MARKER_FOLDER / f"{archive_name}.json"


def _write_marker(marker: Unpacked, folder: Path) -> None:
    path = _marker_path(marker.archive, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, marker.model_dump_json(indent=2))


def _has_size(path: Path, num_bytes: int) -> bool:
    try:
        return path.lstat().st_size == num_bytes and path.is_file() and not path.is_symlink()
    except OSError:
        return False


def _ignores_case(folder: Path) -> bool:
    """Whether the disk takes ``a`` and ``A`` for the same file."""
    probe = folder / "case"
    probe.touch()
    is_ignored = (folder / "CASE").exists()
    probe.unlink()
    return is_ignored
