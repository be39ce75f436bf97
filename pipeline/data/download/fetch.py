"""Fetch sources into the store: pinned, parallel, resumed and checked; their archives unpacked.

Layout below the root of the store:

    sources.lock.json                         what each source was when it was first fetched
    sources/<name>/<revision>/<path>          files as published, complete or absent
    images/<folder>/...                       what came out of the archives, in LLaVA's layout
"""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.disk import explaining_full_disk
from pipeline.core.errors import DataError, StoreError
from pipeline.core.hashing import sha256_of_file
from pipeline.core.locks import locked
from pipeline.core.progress import BYTES, Progress
from pipeline.core.retries import Patience
from pipeline.core.safe_paths import place_of, safe_parts
from pipeline.core.transfers import ByteCounter, as_they_come
from pipeline.core.wording import size_text
from pipeline.data.download.archive_members import Limits
from pipeline.data.download.archives import is_unpacked, unpack
from pipeline.data.download.http import PART_SUFFIX, Connection, RefusedError, describe_url, fetch_file
from pipeline.data.download.hub import auth_headers, explain_refusal, file_url, list_hub, matches, where
from pipeline.store.lockfile import LockedFile, LockedSource, SourceLock
from pipeline.store.sources import Source

log = logging.getLogger(__name__)

SOURCES_FOLDER = "sources"
IMAGES_FOLDER = "images"
PATIENCE_TO_PIN = Patience(attempts=3)
"""A person is waiting, and nothing has been begun that could be lost."""


@dataclass(frozen=True, slots=True)
class FetchedSource:
    """A source whose files are all there."""

    name: str
    revision: str
    folder: Path
    files: tuple[LockedFile, ...]

    def paths(self, pattern: str) -> tuple[Path, ...]:
        """The files that a name or pattern means, sorted.

        Raises:
            DataError: there is none.
        """
        found = tuple(self.folder / file.path for file in self.files if matches(file.path, pattern))
        if not found:
            raise DataError(f"{self.folder} has no file {pattern!r}; it has {[file.path for file in self.files]}")
        return tuple(sorted(found))


def fetch(
    sources: Sequence[Source], *, root: Path, num_parallel: int = 4, patience: Patience | None = None
) -> tuple[FetchedSource, ...]:
    """Fetch all files of some sources that are not there yet, and unpack their archives.

    Raises:
        ConfigError: a source needs an account or its terms accepted.
        DataError: a file is not what it was when it was pinned, or an archive is not fit to be unpacked.
        StoreError: the disk is full.
        TransientError: a server does not answer; what came is kept.
    """
    with explaining_full_disk("the download", root), _guarded(sources, root):
        pinned = pin_sources(sources, root=root, patience=patience)
        _fetch_missing(sources, pinned, root, num_parallel=num_parallel, patience=patience or Patience())
        lock = SourceLock(root).read()
        fetched = tuple(_fetched(source, lock[source.name], root) for source in sources)
        for source, files in zip(sources, fetched, strict=True):
            _unpack_archives(source, files, root)
    return fetched


def source_folder(source: Source, locked: LockedSource, root: Path) -> Path:
    """Where the files of a source lie."""
    return root / SOURCES_FOLDER / source.name / locked.revision


def image_folder(root: Path) -> Path:
    """Where archives are unpacked, and where LLaVA's image paths start."""
    return root / IMAGES_FOLDER


def is_there(file: LockedFile, folder: Path) -> bool:
    """Whether a file is complete: it has its name, so it was checked, and still has its size."""
    path = folder / file.path
    return path.is_file() and file.num_bytes in (None, path.stat().st_size)


def part_bytes(file: LockedFile, folder: Path) -> int:
    """Bytes of a file that came so far and were not checked yet."""
    part = folder / f"{file.path}{PART_SUFFIX}"
    return part.stat().st_size if part.exists() else 0


def current_pin(source: Source, lock: SourceLock) -> LockedSource | None:
    """What a source is pinned to, if that is still what the registry asks for.

    Raises:
        StoreError: the lock file, which may come from elsewhere, names other files or addresses.
    """
    locked = lock.find(source.name)
    if locked is None or locked.where != where(source) or source.revision not in (None, locked.revision):
        return None
    if locked.patterns != tuple(file.name for file in source.files):
        return None
    asked = {file.name: file.url for file in source.files}
    for file in locked.files:
        if not any(matches(file.path, pattern) for pattern in asked):
            raise StoreError(f"{lock.path}: {source.name} has no file {file.path!r}; {_REPIN}")
        if file.url not in (None, asked.get(file.path)):
            raise StoreError(f"{lock.path}: {file.path} of {source.name} is not at {file.url}; {_REPIN}")
    return locked


_REPIN = "remove the source from the lock file to pin it anew"


def look_up(source: Source, lock: SourceLock, connection: Connection) -> LockedSource:
    """Ask the server what a source consists of, at the revision that it is pinned to if it is."""
    if not source.is_on_hub:
        return _list_urls(source, connection)
    locked = lock.find(source.name)
    pinned = locked.revision if locked and locked.where == where(source) else None
    return list_hub(source, revision=source.revision or pinned, patience=connection.patience, stop=connection.stop)


def _list_urls(source: Source, connection: Connection) -> LockedSource:
    files = []
    for file in source.files:
        safe_parts(file.name, where=source.name)
        try:
            described = describe_url(file.name, str(file.url), connection)
        except RefusedError as error:
            raise explain_refusal(source, error, revision="") from error
        files.append(described.model_copy(update={"sha256": file.sha256}))
    facts = repr([(file.path, file.url, file.num_bytes, file.etag) for file in files])
    revision = hashlib.sha256(facts.encode()).hexdigest()[:16]
    patterns = tuple(file.name for file in source.files)
    return LockedSource(where=where(source), revision=revision, patterns=patterns, files=tuple(files))


def pin_sources(sources: Sequence[Source], *, root: Path, patience: Patience | None = None) -> dict[str, LockedSource]:
    """Ask once what each source is and write it down; no file is fetched.

    Raises:
        ConfigError: a source needs an account or its terms accepted.
        DataError: a server does not have a source.
        TransientError: a server does not answer.
    """
    lock = SourceLock(root)
    pinned = {}
    with Connection.open(patience or PATIENCE_TO_PIN) as connection:
        for source in sources:
            locked = current_pin(source, lock)
            if locked is None:
                locked = look_up(source, lock, connection)
                lock.pin(source.name, locked)
                log.info("%s: pinned to %s", source.name, locked.revision)
            pinned[source.name] = locked
    return pinned


def _fetch_missing(
    sources: Sequence[Source], pinned: dict[str, LockedSource], root: Path, *, num_parallel: int, patience: Patience
) -> None:
    """Fetch in threads; only this one touches the lock file and the progress."""
    jobs = [
        (source, file, source_folder(source, pinned[source.name], root))
        for source in sources
        for file in pinned[source.name].files
    ]
    lock, counter = SourceLock(root), ByteCounter()
    for source, file, folder in jobs:
        if is_there(file, folder) and file.sha256 is None:  # it was renamed, and then the machine stopped
            num_bytes, sha256 = (folder / file.path).stat().st_size, sha256_of_file(folder / file.path)
            lock.remember(source.name, file.model_copy(update={"num_bytes": num_bytes, "sha256": sha256}))
    missing = [job for job in jobs if not is_there(job[1], job[2])]
    if not missing:
        return
    total = sum(file.num_bytes or 0 for _, file, _ in missing)
    start = sum(part_bytes(file, folder) for _, file, folder in missing)
    log.info("fetching %d files, %s, of which %s are there", len(missing), size_text(total), size_text(start))
    progress = Progress("download", total=total, unit=BYTES, start=start)
    with Connection.open(patience, on_bytes=counter.add) as connection, ThreadPoolExecutor(num_parallel) as pool:
        futures: dict[Future[LockedFile], Source] = {
            pool.submit(_fetch_one, source, file, folder, pinned[source.name].revision, connection): source
            for source, file, folder in missing
        }
        try:
            for future in as_they_come(futures, counter, progress):
                lock.remember(futures[future].name, future.result())
        finally:
            connection.stop.set()
            pool.shutdown(cancel_futures=True)
    progress.finish()


def _fetch_one(source: Source, file: LockedFile, folder: Path, revision: str, connection: Connection) -> LockedFile:
    urls = {asked.name: asked.url for asked in source.files}
    url = urls.get(file.path) or file_url(source, file.path, revision=revision)
    path = place_of(file.path, folder, where=source.name)
    try:
        return fetch_file(file, path, url=url, headers=auth_headers(url), to=connection)
    except RefusedError as error:
        raise explain_refusal(source, error, revision=revision) from error


def _fetched(source: Source, locked: LockedSource, root: Path) -> FetchedSource:
    return FetchedSource(source.name, locked.revision, source_folder(source, locked, root), locked.files)


def _unpack_archives(source: Source, fetched: FetchedSource, root: Path) -> None:
    sha256 = {file.path: file.sha256 for file in fetched.files}
    for file in source.files:
        if file.unpacked is None:
            continue
        folder = image_folder(root) / file.unpacked.folder
        if is_unpacked(file.name, folder, sha256=sha256[file.name]):
            continue
        limits = Limits(
            max_bytes=2 * file.unpacked.num_bytes + 1_000_000_000, max_members=2 * file.unpacked.num_files + 1000
        )
        unpack(fetched.folder / file.name, folder, sha256=sha256[file.name], limits=limits)


@contextmanager
def _guarded(sources: Sequence[Source], root: Path) -> Iterator[None]:
    """Two processes never fetch the same source at once."""
    with ExitStack() as stack:
        for name in sorted({source.name for source in sources}):
            path = root / SOURCES_FOLDER / name / ".guard"
            stack.enter_context(locked(path, f"{name}: another process is fetching it; waiting"))
        yield
