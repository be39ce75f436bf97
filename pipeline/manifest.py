"""A request says what a step is asked to make; a manifest says what it made.

The fingerprint of a request is known before the work and is the artifact's address. The sha256 of each file is known
after the work and checks copies. A manifest is written last, so an artifact with a manifest is complete.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MANIFEST_NAME = "manifest.json"
FINGERPRINT_LENGTH = 16
"""Hex digits of the sha256 that address an artifact: 64 bits, unique far beyond what a store can hold."""


class Record(BaseModel):
    """Base of what is stored as JSON: immutable and strict."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Request(Record):
    """What a step is asked to make."""

    step: str
    version: int
    config: dict[str, Any]
    """The config sections the step reads, as JSON values."""
    inputs: dict[str, str] = Field(default_factory=dict)
    """Fingerprint of each input artifact by its role."""

    @property
    def fingerprint(self) -> str:
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:FINGERPRINT_LENGTH]


class ArtifactFile(Record):
    """One file of an artifact; ``path`` is relative to the artifact's directory, with ``/``."""

    path: str
    num_bytes: int
    sha256: str


class Manifest(Record):
    """The record of a finished artifact."""

    request: Request
    files: tuple[ArtifactFile, ...]
    summary: dict[str, Any]
    """Counts and figures of the result, for gates and tables; ``parts`` names artifacts that it consists of."""
    created_at: str
    duration_seconds: float
    git_commit: str | None
    versions: dict[str, str]
    """Library versions that were in use."""
    directory: Path = Field(exclude=True)
    """Where the artifact lies now; not part of the record."""

    @property
    def fingerprint(self) -> str:
        return self.request.fingerprint

    @property
    def num_bytes(self) -> int:
        return sum(file.num_bytes for file in self.files)

    @property
    def parts(self) -> tuple[str, ...]:
        """The artifacts this one consists of beside its own files, as ``step/fingerprint``."""
        return tuple(self.summary.get("parts", ()))

    def path(self, name: str) -> Path:
        """Absolute path of a file of this artifact.

        Raises:
            KeyError: the artifact has no such file.
        """
        if name not in {file.path for file in self.files}:
            raise KeyError(f"{self.directory} has no file {name!r}; it has {[file.path for file in self.files]}")
        return self.directory / name


def sha256_of_file(path: Path) -> str:
    """Hex sha256 of a file's content, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
