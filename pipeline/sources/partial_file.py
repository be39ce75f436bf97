"""A file that is being fetched: what has come lies beside its place until its size and its hash were checked."""

import hashlib
import json
import logging
import os
from pathlib import Path

from pipeline.disk import gigabytes
from pipeline.manifest import sha256_of_file
from pipeline.sources.lock import LockedFile
from pipeline.store import write_text

log = logging.getLogger(__name__)

PART_SUFFIX = ".part"
BLOCK_BYTES = 1 << 20
LARGE_BYTES = 1_000_000_000
"""The check of a larger file takes long enough to be announced."""


class WrongContentError(Exception):
    """The server sends something else than was announced."""


class PartialFile:
    """The bytes of one file that have come so far."""

    def __init__(self, path: Path, file: LockedFile, url: str) -> None:
        self.target = path
        self.file = file
        self.url = url
        self.path = path.with_name(path.name + PART_SUFFIX)
        self._note = path.with_name(path.name + PART_SUFFIX + ".json")
        self.validator: str | None = None
        """What the server calls this version of the file: a strong ETag, or the date of its last change."""
        self._etag: str | None = file.etag
        if self.path.exists() and not self._belongs():
            self.discard()

    @property
    def num_bytes(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def can_be_resumed(self) -> bool:
        """Whether a mixture of two versions would be noticed."""
        return None not in (self.validator, self.file.num_bytes) or self._identity()["sha256"] is not None

    def _identity(self) -> dict[str, str | int | None]:
        return {"url": self.url, "num_bytes": self.file.num_bytes, "sha256": self.file.sha256 or self.file.git_sha1}

    def _belongs(self) -> bool:
        """Whether the part that is there can be gone on with; sets the validator."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            self.validator = note.pop("validator")
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return False
        return self.can_be_resumed and bool(note == self._identity())

    def begin(self, validator: str | None, etag: str | None) -> None:
        """Start with no bytes."""
        self.discard()
        self.validator = validator
        self._etag = etag
        write_text(self._note, json.dumps({**self._identity(), "validator": validator}))

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self.validator = None

    def checked(self) -> LockedFile:
        """The file as it came.

        Raises:
            WrongContentError: its size or its hash is not what was announced.
        """
        expected, num_bytes = self.file, self.num_bytes
        if expected.num_bytes not in (None, num_bytes):
            raise WrongContentError(f"{num_bytes} bytes came, expected {expected.num_bytes}")
        if num_bytes >= LARGE_BYTES:
            log.info("%s: all %s came; checking their sha256", self.target.name, gigabytes(num_bytes))
        sha256 = sha256_of_file(self.path)
        if expected.sha256 not in (None, sha256):
            raise WrongContentError(f"the sha256 is {sha256}, expected {expected.sha256}")
        if expected.git_sha1 is not None and expected.git_sha1 != (git_sha1 := git_sha1_of_file(self.path)):
            raise WrongContentError(f"the git sha1 is {git_sha1}, expected {expected.git_sha1}")
        return expected.model_copy(update={"num_bytes": num_bytes, "sha256": sha256, "etag": self._etag})

    def publish(self) -> None:
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self.path, self.target)
        self._note.unlink(missing_ok=True)


def git_sha1_of_file(path: Path) -> str:
    """The name that git gives to a file's content."""
    sha1 = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            sha1.update(block)
    return sha1.hexdigest()
