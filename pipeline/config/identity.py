"""What a config section means, independent of where its files lie: paths are replaced by digests of their content."""

import glob
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pipeline.config.experiment import TOKENIZER_FOLDER
from pipeline.core.errors import DataError
from pipeline.core.files import files_of_pattern
from pipeline.core.hashing import sha256_of_json
from pipeline.core.named_files import NamedFiles, relative_name
from pipeline.store.file_digests import FileDigests
from pipeline.store.lockfile import NOT_PINNED, pinned_revision

NAMES_VERSION = 2  # raise when the same records should name other files
NO_FILE = "no file"
"""What stands in place of the sha256 of a named file that is not there; a run goes on once it is."""


class Identities:
    """What sections and paths are, by way of a store's record of files that were read before.

    A path is read once in the life of this object, and again in another one only when it has changed. Make one for
    each plan.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files = FileDigests(root)
        self._digests: dict[Path, str] = {}
        self._named: dict[str, str] = {}

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
            if value.get("kind") == "local":
                return {"kind": "local", "folder_sha256": self.of_path(Path(value["folder"]))}
            return {key: self._resolve(item) for key, item in value.items()}
        return [self._resolve(item) for item in value] if isinstance(value, list) else value

    def of_patterns(self, patterns: Sequence[str]) -> str:
        """``of_path`` of a file or a folder, or of the names and contents of all files that a pattern means."""
        digests = [self._of_pattern(pattern) for pattern in patterns]
        return digests[0] if len(digests) == 1 else sha256_of_json(digests)

    def _of_pattern(self, pattern: str) -> str:
        path = Path(pattern)
        if path.exists() or not glob.has_magic(pattern):
            return self.of_path(path)
        if not (found := files_of_pattern(pattern)):
            raise DataError(f"no file is called {pattern}; check the paths of the experiment")
        folder = Path(os.path.commonpath([str(file.parent) for file in found]))
        return _joint_digest([file.name for file in found], self._files.of(found, below=folder))

    def of_named(self, folder: Path, records: Mapping[str, Any], names: Callable[[], Sequence[str]]) -> str:
        """Digest of the files of a folder that some records name, with their names; of no others.

        ``names`` reads them, once for all records of this description.
        """
        key = sha256_of_json([NAMES_VERSION, records])
        place = f"{key} {folder}"
        if place not in self._named:
            self._named[place] = self._of_named(folder, self._files.texts(key, names))
        return self._named[place]

    def _of_named(self, folder: Path, names: Sequence[str]) -> str:
        start, found = Path(os.path.realpath(folder)), {}
        files = NamedFiles(start)
        for name in names:
            inside = relative_name(name, folder)
            if inside is not None and os.path.isfile(path := start / files.find(inside)):
                found[name] = path
        digests = dict(zip(found, self._files.of(list(found.values()), below=start), strict=True))
        return _joint_digest(list(names), [digests.get(name, NO_FILE) for name in names])

    def of_path(self, path: Path) -> str:
        """sha256 of a file, or of the names and contents of all files below a folder.

        Links count as what they lead to; a link to nothing, a pipe or a socket is no content.

        Raises:
            DataError: the path does not exist, or a file may not be read.
        """
        if path not in self._digests:
            self._digests[path] = _content_digest(path, self._files)
        return self._digests[path]


def _content_digest(path: Path, files: FileDigests) -> str:
    if path.is_file():
        return files.of([path], below=path)[0]
    if not path.is_dir():
        raise DataError(f"{path} does not exist; check the paths of the experiment")
    found = sorted(_files_below(path))
    return _joint_digest([file.relative_to(path).as_posix() for file in found], files.of(found, below=path))


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
