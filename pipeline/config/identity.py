"""What a config section means, independent of where its files lie: paths are replaced by digests of their content."""

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
from pipeline.core.hashing import sha256_of_file
from pipeline.core.settings import load_settings
from pipeline.store.lockfile import NOT_PINNED, pinned_revision


def identity(section: BaseModel) -> dict[str, Any]:
    """The section as JSON values in which every path is the sha256 of what lies there.

    A model on the Hub without a revision has the one that it was pinned to, or none that is final.

    Raises:
        DataError: a path does not exist.
    """
    resolved = _resolve(section.model_dump(mode="json"))
    assert isinstance(resolved, dict)
    return resolved


def _resolve(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get("kind") == "bundled":
            return {**value, "sha256": content_digest(TOKENIZER_FOLDER / value["name"])}
        if value.get("kind") == "hub" and value["revision"] is None:
            return {**value, "revision": pinned_revision(value["id"], root=load_settings().store_root) or NOT_PINNED}
        is_local = value.get("kind") == "local"
        return {
            f"{key}_sha256" if is_local and key in PATH_FIELDS else key: content_digest(Path(item))
            if is_local and key in PATH_FIELDS
            else _resolve(item)
            for key, item in value.items()
            if item is not None or key not in PATH_FIELDS  # a path that is not given is no part of what is asked
        }
    return [_resolve(item) for item in value] if isinstance(value, list) else value


def content_digest(path: Path) -> str:
    """sha256 of a file, or of the names and contents of all files below a folder.

    Unchanged files (same size, time and inode, as git's index does it) are not read again. Links count as what they
    lead to; a link to nothing, a pipe or a socket is no content.

    Raises:
        DataError: the path does not exist, or a file may not be read.
    """
    if path.is_file():
        return _digests([path])[0]
    if not path.is_dir():
        raise DataError(f"{path} does not exist; check the paths of the experiment")
    found = sorted(_files_below(path))
    lines = [
        f"{file.relative_to(path).as_posix()}\0{digest}\n" for file, digest in zip(found, _digests(found), strict=True)
    ]
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


def _digests(paths: list[Path]) -> list[str]:
    """sha256 of each file, through a small database of what was read before."""
    root = load_settings().store_root
    root.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(root / "file_digests.sqlite", timeout=60)) as database, database:
        database.execute("create table if not exists digests (key text primary key, sha256 text not null)")
        keys = [_stat_key(path) for path in paths]
        known: dict[str, str] = {}
        for key in keys:
            row = database.execute("select sha256 from digests where key = ?", (key,)).fetchone()
            if row:
                known[key] = row[0]
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
