"""What a store knows of files outside it: the sha256 of each that was read, until the file changes.

Unchanged files (same size, time and inode, as git's index does it) are known from ``file_digests.sqlite``.
"""

import json
import logging
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from pipeline.core.errors import DataError
from pipeline.core.hashing import sha256_of_file

log = logging.getLogger(__name__)

DIGESTS_FILE = "file_digests.sqlite"
TABLES = (
    "create table if not exists files (key text primary key, sha256 text not null, checksum integer not null)",
    "create table if not exists texts (key text primary key, content blob not null)",
)
LAST_CHARACTER = "\U0010ffff"
"""No path goes on with a greater one."""


class FileDigests:
    """The record of files that were read before, in a store."""

    def __init__(self, root: Path) -> None:
        self._file = root / DIGESTS_FILE
        self._is_checked = False

    def of(self, paths: Sequence[Path], *, below: Path) -> list[str]:
        """sha256 of each of some files in or below a folder; of files that are new or changed, their content is read.

        Raises:
            DataError: a file does not exist or may not be read.
        """
        keys = [_stat_key(path) for path in paths]
        with self._opened() as database:
            start = str(below).encode("utf-8", "backslashreplace").decode()
            limits = (start, start + LAST_CHARACTER)
            rows = database.execute("select * from files where key >= ? and key < ?", limits).fetchall()
            known = {key: sha256 for key, sha256, checksum in rows if checksum == _checksum(key, sha256)}
            unknown = {key: path for key, path in zip(keys, paths, strict=True) if key not in known}
            with ThreadPoolExecutor() as pool:
                new = dict(zip(unknown, pool.map(_sha256, unknown.values()), strict=True))
            with suppress(sqlite3.OperationalError):  # a store that may only be read
                rows = [(key, sha256, _checksum(key, sha256)) for key, sha256 in new.items()]
                database.executemany("insert or replace into files values (?, ?, ?)", rows)
        known |= new
        return [known[key] for key in keys]

    def paths_of(self, sha256: str) -> Iterator[Path]:
        """Files that had this content when they were read, and have not changed since."""
        if not self._file.exists():
            return
        with self._opened() as database:
            with suppress(sqlite3.OperationalError):
                database.execute("create index if not exists by_sha256 on files (sha256)")
            found = database.execute("select key from files where sha256 = ? order by rowid desc", (sha256,)).fetchall()
        for (key,) in found:
            path = Path(key.partition("\0")[0])
            if path.is_file() and _stat_key(path) == key:
                yield path

    def texts(self, key: str, read: Callable[[], Sequence[str]]) -> list[str]:
        """What ``read`` gave at the first call with this key."""
        with self._opened() as database:
            found = database.execute("select content from texts where key = ?", (key,)).fetchone()
        if found is not None:
            with suppress(ValueError, zlib.error):  # not as it was stored: it is read anew
                return list(json.loads(zlib.decompress(found[0])))
        texts = list(read())
        with self._opened() as database, suppress(sqlite3.OperationalError):
            database.execute(
                "insert or replace into texts values (?, ?)", (key, zlib.compress(json.dumps(texts).encode()))
            )
        return texts

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            database = _database(self._file)
            self._check_once(database)
        except (OSError, sqlite3.OperationalError):  # a store that may only be read: what it does not know is read
            database = _database(":memory:")
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter from the text of the former
            log.warning("%s is damaged (%s): it is made anew, and files are read again", self._file, error)
            self._file.unlink()
            database = _database(self._file)
        with closing(database), database:
            yield database

    def _check_once(self, database: sqlite3.Connection) -> None:
        if not self._is_checked:
            (found,) = database.execute("pragma quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(found.splitlines()[0])
            self._is_checked = True


def _database(file: Path | str) -> sqlite3.Connection:
    database = sqlite3.connect(file, timeout=60)
    database.text_factory = lambda text: text.decode(errors="replace")  # of a damaged row: it does not check
    for table in TABLES:
        database.execute(table)
    return database


def _checksum(key: str, sha256: str) -> int:
    """Of a row: SQLite does not notice a bit that flips in it."""
    return zlib.crc32(f"{key}\0{sha256}".encode())


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
