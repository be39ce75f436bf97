"""What a config section means, independent of where its files lie: paths are replaced by digests of their content."""

import glob
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pipeline.config.experiment import PATH_FIELDS, TOKENIZER_FOLDER
from pipeline.core.errors import DataError
from pipeline.core.files import files_of_pattern
from pipeline.core.hashing import sha256_of_file
from pipeline.store.lockfile import NOT_PINNED, dataset_pin, pinned_revision

DIGESTS_FILE = "file_digests.sqlite"
LAST_CHARACTER = "\U0010ffff"
"""No path goes on with a greater one."""


class Identities:
    """What sections and paths are, by way of a store's record of files that were read before.

    A path is read once in the life of this object, and again in another one only when it has changed: unchanged files
    (same size, time and inode, as git's index does it) are known from ``file_digests.sqlite``. Make one for each plan.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known = root / DIGESTS_FILE
        self._digests: dict[Path, str] = {}

    def of(self, section: BaseModel) -> dict[str, Any]:
        """The section as JSON values in which every path is the sha256 of what lies there.

        A model on the Hub without a revision has the one that it was pinned to, or none that is final.

        Raises:
            DataError: a path does not exist.
        """
        resolved = self._resolve(section.model_dump(mode="json"))
        assert isinstance(resolved, dict)
        return resolved

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, dict):
            if value.get("kind") == "bundled":
                return {**value, "sha256": self.of_path(TOKENIZER_FOLDER / value["name"])}
            if value.get("kind") == "hub" and value["revision"] is None:
                return {**value, "revision": pinned_revision(value["id"], root=self.root) or NOT_PINNED}
            if value.get("kind") == "dataset":
                return self._hf_dataset(value)
            is_local = value.get("kind") == "local"
            return {
                f"{key}_sha256" if is_local and key in PATH_FIELDS else key: self.of_path(Path(item))
                if is_local and key in PATH_FIELDS
                else self._resolve(item)
                for key, item in value.items()
                if item is not None or key not in PATH_FIELDS  # a path that is not given is no part of what is asked
            }
        return [self._resolve(item) for item in value] if isinstance(value, list) else value

    def _hf_dataset(self, value: dict[str, Any]) -> dict[str, Any]:
        """Files by their content, a repository by its commit; what is not given is no part of what is asked."""
        resolved = {key: item for key, item in value.items() if item is not None and key not in ("path", "images")}
        resolved["columns"] = {field: column for field, column in value["columns"].items() if column is not None}
        if value["images"] is not None:
            resolved["images_sha256"] = self.of_path(Path(value["images"]))
        if Path(value["path"]).is_absolute():
            return {**resolved, "path_sha256": self._of_pattern(value["path"])}
        pinned = pinned_revision(dataset_pin(value["path"]), root=self.root)
        return {**resolved, "path": value["path"], "revision": value["revision"] or pinned or NOT_PINNED}

    def _of_pattern(self, pattern: str) -> str:
        """``of_path`` of a file or a folder, or of the names and contents of all files that a pattern means."""
        path = Path(pattern)
        if path.exists() or not glob.has_magic(pattern):
            return self.of_path(path)
        if not (found := files_of_pattern(pattern)):
            raise DataError(f"no file is called {pattern}; check the paths of the experiment")
        folder = Path(os.path.commonpath([str(file.parent) for file in found]))
        return _joint_digest([file.name for file in found], _digests(found, folder, self._known))

    def of_path(self, path: Path) -> str:
        """sha256 of a file, or of the names and contents of all files below a folder.

        Links count as what they lead to; a link to nothing, a pipe or a socket is no content.

        Raises:
            DataError: the path does not exist, or a file may not be read.
        """
        if path not in self._digests:
            self._digests[path] = _content_digest(path, self._known)
        return self._digests[path]


def _content_digest(path: Path, known: Path) -> str:
    if path.is_file():
        return _digests([path], path, known)[0]
    if not path.is_dir():
        raise DataError(f"{path} does not exist; check the paths of the experiment")
    found = sorted(_files_below(path))
    return _joint_digest([file.relative_to(path).as_posix() for file in found], _digests(found, path, known))


def _joint_digest(names: list[str], digests: list[str]) -> str:
    lines = [f"{name}\0{sha256}\n" for name, sha256 in zip(names, digests, strict=True)]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _files_below(path: Path) -> Iterator[Path]:
    entered = set()
    for folder, folders, names in os.walk(path, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in entered:  # a circle of links
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        yield from (file for name in names if (file := Path(folder) / name).is_file())


def _digests(paths: list[Path], root: Path, database_file: Path) -> list[str]:
    """sha256 of each file below ``root``, through a small database of what was read before."""
    database_file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database_file, timeout=60)) as database, database:
        database.execute("create table if not exists digests (key text primary key, sha256 text not null)")
        keys = [_stat_key(path) for path in paths]
        below = (str(root), f"{root}{LAST_CHARACTER}")
        known: dict[str, str] = dict(
            database.execute("select key, sha256 from digests where key >= ? and key < ?", below).fetchall()
        )
        unknown = {key: path for key, path in zip(keys, paths, strict=True) if key not in known}
        with ThreadPoolExecutor() as pool:
            new = dict(zip(unknown, pool.map(_sha256, unknown.values()), strict=True))
        database.executemany("insert or replace into digests values (?, ?)", new.items())
    known |= new
    return [known[key] for key in keys]


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
    return f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_ino}"
