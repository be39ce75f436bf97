"""Names that follow from content: sha256 of files, and of JSON values whatever the order of their keys."""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

SECONDS_UNTIL_SETTLED = 2
"""A file that was written less long ago may be written again without a change of its times, as they are coarse."""

_known: dict[Path, tuple[tuple[int, ...], str]] = {}


def sha256_of_file(path: Path) -> str:
    """Hex sha256 of a file's content, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def known_sha256_of_file(path: Path) -> str:
    """The same, read once in a process: a file is read again when its size, times or inode are others."""
    status = os.stat(path)
    state = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)
    known = _known.get(path)
    if known and known[0] == state:
        return known[1]
    is_settled = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > SECONDS_UNTIL_SETTLED * 1e9
    sha256 = sha256_of_file(path)
    if is_settled:
        _known[path] = state, sha256
    return sha256


def sha256_of_json(value: Any) -> str:
    """Hex sha256 of a JSON value; the order of keys in its objects makes no difference."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
