"""What a store knows of files outside it: the sha256 of each that was read, until the file changes.

Unchanged files (same size, time and inode, as git's index does it) are known from ``file_digests.sqlite``.
"""

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from pipeline.core.errors import DataError
from pipeline.core.hashing import sha256_of_file

DIGESTS_FILE = "file_digests.sqlite"
TABLES = (
    "create table if not exists digests (key text primary key, sha256 text not null)",
    "create table if not exists texts (key text primary key, content blob not null)",
)
LAST_CHARACTER = "\U0010ffff"
"""No path goes on with a greater one."""


class FileDigests:
    """The record of files that were read before, in a store."""

    def __init__(self, root: Path) -> None:
        self._file = root / DIGESTS_FILE

    def of(self, paths: Sequence[Path], *, below: Path) -> list[str]:
        """sha256 of each of some files in or below a folder; of files that are new or changed, their content is read.

        Raises:
            DataError: a file does not exist or may not be read.
        """
        keys = [_stat_key(path) for path in paths]
        with self._opened() as database:
            start = str(below).encode("utf-8", "backslashreplace").decode()
            limits = (start, start + LAST_CHARACTER)
            known: dict[str, str] = dict(
                database.execute("select key, sha256 from digests where key >= ? and key < ?", limits).fetchall()
            )
            unknown = {key: path for key, path in zip(keys, paths, strict=True) if key not in known}
            with ThreadPoolExecutor() as pool:
                new = dict(zip(unknown, pool.map(_sha256, unknown.values()), strict=True))
            with suppress(sqlite3.OperationalError):  # a store that may only be read
                database.executemany("insert or replace into digests values (?, ?)", new.items())
        known |= new
        return [known[key] for key in keys]

    def paths_of(self, sha256: str) -> Iterator[Path]:
        """Files that had this content when they were read, and have not changed since."""
        if not self._file.exists():
            return
        with self._opened() as database:
            with suppress(sqlite3.OperationalError):
                database.execute("create index if not exists by_sha256 on digests (sha256)")
            found = database.execute(
                "select key from digests where sha256 = ? order by rowid desc", (sha256,)
            ).fetchall()
        for (key,) in found:
            path = Path(key.partition("\0")[0])
            if path.is_file() and _stat_key(path) == key:
                yield path

    def texts(self, key: str, read: Callable[[], Sequence[str]]) -> list[str]:
        """What ``read`` gave at the first call with this key."""
        with self._opened() as database:
            found = database.execute("select content from texts where key = ?", (key,)).fetchone()
        if found is None:
            content = zlib.compress(json.dumps(list(read())).encode())
            with self._opened() as database, suppress(sqlite3.OperationalError):
                database.execute("insert or replace into texts values (?, ?)", (key, content))
            found = (content,)
        texts: list[str] = json.loads(zlib.decompress(found[0]))
        return texts

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self._file, timeout=60)
            database.execute(TABLES[0])
            database.execute(TABLES[1])
        except (OSError, sqlite3.OperationalError):  # a store that may only be read: what it does not know is read
            database = sqlite3.connect(":memory:")
            database.execute(TABLES[0])
            database.execute(TABLES[1])
        with closing(database), database:
            yield database


def _sha256(path: Path) -> str:
    try:
        return sha256_of_file(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def _stat_key(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError as error:  # such as a link to nothing
        raise DataError(f"{path} does not exist; check the paths of the experiment") from error
    key = f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_ino}"
    return key.encode("utf-8", "backslashreplace").decode()  # a name that is not UTF-8
