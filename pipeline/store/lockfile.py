"""What each source was when it was first fetched: revision, and size and hash of every file.

``sources.lock.json`` lies in the root of the store and is meant to be read, compared and copied. A source that the
registry does not pin gets pinned here; from then on the same bytes are fetched, whatever its branch does.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from pipeline.core.errors import StoreError
from pipeline.core.files import write_text
from pipeline.core.locks import locked
from pipeline.store.manifest import Record

LOCK_NAME = "sources.lock.json"


class LockedFile(Record):
    """One file of a source; what the server did not say is None until the file is there."""

    path: str
    url: str | None = None
    """Address on a plain server; a file of the Hub has none, so that ``HF_ENDPOINT`` may change."""
    num_bytes: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None
    """Name of the blob in git, of small files on the Hub."""
    etag: str | None = None


class LockedSource(Record):
    """A source at one revision."""

    where: str
    revision: str
    patterns: tuple[str, ...]
    """The files that were asked for."""
    files: tuple[LockedFile, ...]

    @property
    def num_bytes(self) -> int | None:
        """Size of all files in bytes, or None when a server did not say."""
        sizes = [file.num_bytes for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


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
        except (ValueError, AttributeError, RecursionError, ValidationError) as error:
            raise StoreError(
                f"{self.path} is damaged: {error}. Repair it, or remove it to pin every source anew"
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
