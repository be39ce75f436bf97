"""A request says what a step is asked to make; a manifest says what it made.

The fingerprint of a request is known before the work and is the artifact's address. The sha256 of each file is known
after the work and checks copies. A manifest is written last, so an artifact with a manifest is complete.
"""

import importlib.metadata
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.core.errors import StoreError, explain
from pipeline.core.hashing import known_sha256_of_file, sha256_of_json

MANIFEST_NAME = "manifest.json"
FINGERPRINT_LENGTH = 16
"""Hex digits of the sha256 that address an artifact: 64 bits, unique far beyond what a store can hold."""


class DamagedManifestError(Exception):
    """Why a text is not the manifest that it should be."""


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
        return sha256_of_json(self.model_dump(mode="json"))[:FINGERPRINT_LENGTH]

    @property
    def address(self) -> str:
        """``step/fingerprint``."""
        return f"{self.step}/{self.fingerprint}"


class ArtifactFile(Record):
    """One file of an artifact; ``path`` is relative to the artifact's directory, with ``/``."""

    path: str
    num_bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(Record):
    """The record of a finished artifact."""

    request: Request
    files: tuple[ArtifactFile, ...]
    summary: dict[str, Any]
    """Counts and figures of the result as JSON; ``parts`` names artifacts that it consists of. See ``Summary``."""
    created_at: str
    duration_seconds: float
    git_commit: str | None
    versions: dict[str, str]
    """Library versions that were in use."""
    digest: str = ""
    """sha256 of the record without this field; empty until ``with_digest``."""
    directory: Path = Field(exclude=True)
    """Where the artifact lies now; not part of the record."""

    @property
    def fingerprint(self) -> str:
        return self.request.fingerprint

    @property
    def address(self) -> str:
        """``step/fingerprint``, as in ``parts`` and as its folder is named."""
        return self.request.address

    @property
    def num_bytes(self) -> int:
        return sum(file.num_bytes for file in self.files)

    @property
    def parts(self) -> tuple[str, ...]:
        """The artifacts this one consists of beside its own files, as ``step/fingerprint``."""
        return tuple(self.summary.get("parts", ()))

    @property
    def content_digest(self) -> str:
        """What ``digest`` must be: of the values as they are read back, whatever the text's layout."""
        return sha256_of_json(json.loads(self.model_dump_json(exclude={"digest"})))

    def with_digest(self) -> Self:
        return self.model_copy(update={"digest": self.content_digest})

    def path(self, name: str) -> Path:
        """Absolute path of a file of this artifact, whose bytes are as they were published.

        Raises:
            KeyError: the artifact has no such file.
            StoreError: the file is missing or was changed.
        """
        file = next((file for file in self.files if file.path == name), None)
        if file is None:
            raise KeyError(f"{self.directory} has no file {name!r}; it has {[file.path for file in self.files]}")
        path = self.directory / name
        try:
            sha256 = known_sha256_of_file(path)
        except OSError as error:
            raise self._damaged(path, f"it cannot be read ({error.strerror})") from error
        if sha256 != file.sha256:
            raise self._damaged(path, f"its sha256 is {sha256[:12]}… and was {file.sha256[:12]}…")
        return path

    def require_intact(self) -> None:
        """Compare every file with the record, before something is made of them.

        Raises:
            StoreError: a file is missing or was changed.
        """
        with ThreadPoolExecutor() as pool:
            list(pool.map(self.path, [file.path for file in self.files]))

    def _damaged(self, path: Path, problem: str) -> StoreError:
        return StoreError(
            f"{path} is not as it was published: {problem}. `llava-jp discard {self.fingerprint}` forgets the "
            "artifact; the next run makes it again, or `llava-jp pull` brings a copy"
        )


class Summary(BaseModel):
    """Base of what a step says of its result: each step has its own, which its work returns and its readers ask for.

    A None is not stored. A key that a reader does not know is passed over.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """The summary of an artifact.

        Raises:
            StoreError: the artifact was made by a step that says other things.
        """
        try:
            return cls.model_validate(manifest.summary)
        except ValidationError as error:
            raise StoreError(
                f"{explain(error, f'the summary of {manifest.address}')}\n`llava-jp discard {manifest.fingerprint}` "
                "forgets the artifact; the next run makes it again"
            ) from error

    def stored(self) -> dict[str, Any]:
        """As it is in a manifest."""
        return self.model_dump(mode="json", exclude_none=True)


def parse_manifest(text: bytes, *, address: str, directory: Path) -> Manifest:
    """The manifest of the artifact at ``address`` (``step/fingerprint``), checked against its digest.

    Raises:
        DamagedManifestError: it is no manifest, was changed, or belongs to another artifact.
    """
    try:
        manifest = Manifest(**json.loads(text.decode()), directory=directory)
        digest, found = manifest.content_digest, manifest.address
    except ValidationError as error:
        first = error.errors()[0]
        raise DamagedManifestError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise DamagedManifestError(f"it is not the JSON of a manifest: {error}") from error
    if manifest.digest != digest:
        says = manifest.digest or "nothing"
        raise DamagedManifestError(f"the digest of its content is {digest}, and it says {says}")
    if found != address:
        raise DamagedManifestError(f"its request is that of {found}, not of {address}")
    return manifest


@cache
def git_commit() -> str | None:
    """The commit this code runs from, with ``-dirty`` when it was edited; None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


@cache
def library_versions() -> dict[str, str]:
    """Versions of the libraries that take part in results."""
    names = (
        "torch",
        "transformers",
        "tokenizers",
        "deepspeed",
        "pyarrow",
        "pillow",
        "duckdb",
        "rouge-score",
        "fugashi",
    )
    return {name: importlib.metadata.version(name) for name in names}
