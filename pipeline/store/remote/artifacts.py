"""Artifacts in object storage, in the layout of the store: ``artifacts/<step>/<fingerprint>/...``.

An artifact is there when its ``manifest.json`` is. What others wrote is not trusted: a manifest must hash to the
address that it lies under, its paths must stay inside the artifact, and no more is read than it announces.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath

from pipeline.core.errors import DataError, StoreError
from pipeline.core.files import UNFINISHED_SUFFIX
from pipeline.core.safe_paths import safe_parts
from pipeline.store.artifacts import WORK_FOLDER
from pipeline.store.manifest import MANIFEST_NAME, ArtifactFile, DamagedManifestError, Manifest, parse_manifest
from pipeline.store.remote.storage import ObjectStorage

MAX_MANIFEST_BYTES = 64_000_000
"""Room for some hundred thousand files."""
MAX_NAME_BYTES = 250
"""The longest name of a file or folder on the file systems in use, less what an unfinished one has at its end."""
MAX_PATH_BYTES = 800
"""Object stores take keys of 1024 bytes, with all that stands before the path."""
STEP = re.compile("[A-Za-z0-9_-]{1,64}")
FINGERPRINT = re.compile("[0-9a-f]{16}")
NUM_LOOKS_AT_ONCE = 16

Generations = tuple[tuple[Manifest, ...], ...]
"""Artifacts in an order in which each comes after its parts; those of one generation do not need each other."""


class RemoteArtifacts:
    """Finds artifacts in a storage."""

    def __init__(self, storage: ObjectStorage) -> None:
        self.storage = storage

    def key(self, address: str, name: str = "") -> str:
        """Of a file of an artifact, or of its folder."""
        return f"artifacts/{address}/{name}".rstrip("/")

    def addresses(self) -> tuple[str, ...]:
        """``step/fingerprint`` of every artifact, sorted; of those that are not complete too."""
        steps = [step for step in self.storage.folders("artifacts") if STEP.fullmatch(step)]
        return tuple(
            f"{step}/{name}"
            for step in steps
            for name in self.storage.folders(f"artifacts/{step}")
            if FINGERPRINT.fullmatch(name)
        )

    def is_complete(self, address: str) -> bool:
        return self.storage.size(self.key(address, MANIFEST_NAME)) is not None

    def complete(self, addresses: Iterable[str]) -> list[str]:
        """Those that have a manifest."""
        addresses = list(addresses)
        with ThreadPoolExecutor(NUM_LOOKS_AT_ONCE) as pool:
            looks = zip(addresses, pool.map(self.is_complete, addresses), strict=True)
            return [address for address, is_complete in looks if is_complete]

    def find(self, address: str) -> Manifest | None:
        """The manifest of a complete artifact, or None.

        Raises:
            DataError: one of its paths leads out of it.
            StoreError: it is damaged, or belongs to another artifact.
        """
        key = self.key(address, MANIFEST_NAME)
        text = self.storage.read(key, max_bytes=MAX_MANIFEST_BYTES)
        if text is None:
            return None
        where = self.storage.url_of(key)
        try:
            manifest = parse_manifest(text, address=address, directory=Path())
            _check_time(manifest.created_at)
            _check_files(manifest.files, where=where)
            _check_parts(manifest.summary.get("parts", []))
        except DamagedManifestError as error:
            folder = self.storage.url_of(self.key(address))
            raise StoreError(
                f"{where} is damaged: {error}. Remove {folder} and push it again from a store where it is whole"
            ) from error
        return manifest


def _check_time(text: str) -> None:
    try:
        is_time = datetime.fromisoformat(text).isoformat(timespec="seconds") == text
    except ValueError:
        is_time = False
    if not is_time:
        raise DamagedManifestError(f"created_at is not a time: {text[:40]!r}")


def _check_files(files: Iterable[ArtifactFile], *, where: str) -> None:
    names = set()
    for file in files:
        parts = safe_parts(file.path, where=where)
        if "/".join(parts) != file.path or file.path in names:
            raise DamagedManifestError(f"{file.path!r} is not a plain path, or is there twice")
        if file.path == MANIFEST_NAME or parts[0] == WORK_FOLDER or parts[-1].endswith(UNFINISHED_SUFFIX):
            raise DamagedManifestError(f"{file.path!r} is a name that no published file has")
        if max(len(part.encode()) for part in parts) > MAX_NAME_BYTES or len(file.path.encode()) > MAX_PATH_BYTES:
            raise DamagedManifestError(f"{file.path[:40] + '…'!r} is too long")
        names.add(file.path)
    for name in names:
        if parents := names & {parent.as_posix() for parent in PurePosixPath(name).parents}:
            raise DamagedManifestError(f"{min(parents)!r} is a file and a folder")


def _check_parts(parts: object) -> None:
    if not isinstance(parts, list):
        raise DamagedManifestError(f"its parts are {type(parts).__name__}, not a list")
    for part in parts:
        step, _, fingerprint = part.partition("/") if isinstance(part, str) else ("", "", "")
        if not STEP.fullmatch(step) or not FINGERPRINT.fullmatch(fingerprint):
            raise DamagedManifestError(f"{part!r} is not the address of a part")


def with_parts(addresses: Iterable[str], find: Callable[[str], Manifest]) -> Generations:
    """The artifacts at some addresses with their parts, and the parts of these, parts first.

    Raises:
        DataError: an artifact is a part of itself.
    """
    found: dict[str, Manifest] = {}
    new = tuple(dict.fromkeys(addresses))
    with ThreadPoolExecutor(NUM_LOOKS_AT_ONCE) as pool:
        while new:
            found |= zip(new, pool.map(find, new), strict=True)
            parts = (part for address in new for part in found[address].parts)
            new = tuple(dict.fromkeys(part for part in parts if part not in found))
    return _generations(found)


def _generations(found: Mapping[str, Manifest]) -> Generations:
    sorter = TopologicalSorter({address: manifest.parts for address, manifest in found.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        raise DataError(f"artifacts are parts of each other: {' -> '.join(error.args[1])}") from error
    generations = []
    while sorter.is_active():
        ready = sorter.get_ready()
        generations.append(tuple(found[address] for address in sorted(ready)))
        sorter.done(*ready)
    return tuple(generations)
