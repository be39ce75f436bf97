"""What each source was when it was first fetched: revision, and size and hash of every file.

``sources.lock.json`` lies in the root of the store and is meant to be read, compared and copied. A source that the
registry does not pin gets pinned here; from then on the same bytes are fetched, whatever its branch does.

A copied file is as foreign as the answer of a server: both go through these records, which take no name that leads out
of a folder. An address in it is never asked, and no token follows it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from pipeline.core.errors import StoreError
from pipeline.core.files import write_text
from pipeline.core.locks import locked
from pipeline.core.safe_paths import is_plain_path
from pipeline.store.manifest import Record

LOCK_NAME = "sources.lock.json"
LONGEST_NAME_BYTES = 240
"""Of a file or folder: file systems take 255, and what is being fetched has an ending more."""


def _inside(path: str) -> str:
    if not is_plain_path(path) or max(len(part.encode()) for part in path.split("/")) > LONGEST_NAME_BYTES:
        raise ValueError(f"{path[:80]!r} is not the path of a file inside a folder")
    return path


class LockedFile(Record):
    """One file of a source; what the server did not say is None until the file is there."""

    path: Annotated[str, AfterValidator(_inside)]
    url: str | None = Field(None, pattern=r"^https?://[^\s\x00-\x1f\x7f]+$")
    """Address on a plain server; a file of the Hub has none, so that ``HF_ENDPOINT`` may change."""
    num_bytes: int | None = Field(None, ge=0)
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    git_sha1: str | None = Field(None, pattern="^[0-9a-f]{40}$")
    """Name of the blob in git, of small files on the Hub."""
    etag: str | None = Field(None, pattern=r"^[^\x00-\x1f\x7f]*$")


class LockedSource(Record):
    """A source at one revision."""

    where: str
    revision: str = Field(pattern="^([0-9a-f]{40}|[0-9a-f]{16})$")
    """A commit of the Hub, or a hash of what plain servers say of their files."""
    patterns: tuple[str, ...]
    """The files that were asked for."""
    files: tuple[LockedFile, ...]

    @property
    def num_bytes(self) -> int | None:
        """Size of all files in bytes, or None when a server did not say."""
        sizes = [file.num_bytes for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


def problem_of(error: ValidationError) -> str:
    """The first thing that is wrong with a record, in a phrase."""
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']} (got {str(first['input'])[:80]!r})"


class SourceLock:
    """The lock file of one store."""

    def __init__(self, root: Path) -> None:
        self.path = root / LOCK_NAME

    def read(self) -> dict[str, LockedSource]:
        """Every pinned source by its name.

        Raises:
            StoreError: the file is damaged.
        """
        try:
            entries = json.loads(self.path.read_text(encoding="utf-8"))
            return {name: LockedSource.model_validate(entry) for name, entry in entries.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, AttributeError, RecursionError) as error:
            reason = problem_of(error) if isinstance(error, ValidationError) else error
            raise StoreError(
                f"{self.path} is damaged: {reason}. Repair it, or remove it to pin every source anew"
            ) from error

    def find(self, name: str) -> LockedSource | None:
        """What a source is pinned to, or None."""
        return self.read().get(name)

    def pin(self, name: str, source: LockedSource) -> None:
        """Write down one source; the others stay as they are."""
        with self._locked():
            entries = {**self.read(), name: source}
            text = json.dumps(
                {key: entries[key].model_dump(mode="json", exclude_none=True) for key in sorted(entries)},
                indent=2,
                ensure_ascii=False,
            )
            write_text(self.path, text + "\n")

    def remember(self, name: str, file: LockedFile) -> None:
        """Write down what became known about one file of a pinned source."""
        with self._locked():
            source = self.read()[name]
        files = tuple(file if known.path == file.path else known for known in source.files)
        self.pin(name, source.model_copy(update={"files": files}))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with locked(self.path.parent / f".{LOCK_NAME}.guard", f"another process writes {LOCK_NAME}; waiting"):
            yield


NOT_PINNED = "not pinned yet"
"""The revision of a source that was never looked up; the fingerprint of what is made of it is not final."""


def dataset_pin(id: str) -> str:
    """The name under which a dataset on the Hub is pinned; a model may have the same id."""
    return f"datasets/{id}"


def pinned_revision(id: str, *, root: Path) -> str | None:
    """The commit that a model or a ``dataset_pin`` was pinned to by an earlier run, or None."""
    locked = SourceLock(root).find(id)
    return locked.revision if locked else None
