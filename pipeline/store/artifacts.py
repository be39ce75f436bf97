"""The artifact store: one directory per fingerprint, complete or absent.

Layout under the root:

    artifacts/<step>/<fingerprint>/...        published, never rewritten; manifest.json is written last
    partial/<step>/<fingerprint>/...          in the making; a crash leaves it, the next run goes on from it
    locks/<step>-<fingerprint>.lock           two processes never make the same artifact at once
    discarded/...                             forgotten artifacts while they are deleted
"""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.core.disk import explaining_full_disk
from pipeline.core.errors import StoreError
from pipeline.core.files import UNFINISHED_SUFFIX, files_below, flush, write_text
from pipeline.core.hashing import sha256_of_file
from pipeline.core.locks import locked
from pipeline.store.manifest import (
    MANIFEST_NAME,
    ArtifactFile,
    DamagedManifestError,
    Manifest,
    Request,
    Summary,
    git_commit,
    library_versions,
    parse_manifest,
)
from pipeline.store.verify import problems_of

log = logging.getLogger(__name__)

WORK_FOLDER = "work"
"""Folder of a partial directory for what only a restart needs (checkpoints, job files); never published."""

Work = Callable[[Path], Summary | Mapping[str, Any]]
"""Fills a partial directory and returns the manifest's summary; a step's is a model of its own."""


class ArtifactStore:
    """Finds, makes and verifies artifacts under one root directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def directory(self, request: Request) -> Path:
        """Where the artifact of this request lies once it is published."""
        return self.root / "artifacts" / request.step / request.fingerprint

    def partial_directory(self, request: Request) -> Path:
        """Where the artifact of this request is made."""
        return self.root / "partial" / request.step / request.fingerprint

    def find(self, request: Request) -> Manifest | None:
        """The published artifact of this request, or None."""
        return self.at(request.address)

    def is_whole(self, request: Request) -> bool:
        """Whether the artifact of this request is there with all artifacts that it consists of."""
        manifest = self.find(request)
        return manifest is not None and not self.missing_parts(manifest)

    def missing_parts(self, manifest: Manifest) -> tuple[str, ...]:
        """The artifacts it consists of that are not in the store, as ``step/fingerprint``."""
        return tuple(part for part in manifest.parts if not self._has(part))

    def produce(self, request: Request, work: Work) -> Manifest:
        """Return the artifact of this request; make it with ``work`` if it is not there yet.

        ``work`` gets a partial directory that may hold finished files of an earlier, interrupted call. It returns the
        manifest's summary. Another process that makes the same artifact is waited for.

        Raises:
            StoreError: the disk is full or not writable, or an input is damaged; what is finished stays for the next
                call.
        """
        if finished := self.find(request):
            log.info("%s %s: already done", request.step, request.fingerprint)
            return finished
        with explaining_full_disk(request.step, self.root), self.locked(f"{request.step}-{request.fingerprint}"):
            if finished := self.find(request):
                return finished
            self._require_intact_inputs(request)
            directory = self.partial_directory(request)
            directory.mkdir(parents=True, exist_ok=True)
            started = time.monotonic()
            summary = work(directory)
            return self._publish(request, directory, summary, duration_seconds=time.monotonic() - started)

    def adopt(self, manifest: Manifest, work: Callable[[Path], None]) -> Manifest:
        """Publish a copy of an artifact that was made elsewhere, unless it is here.

        ``work`` gets the partial directory and brings all files of the manifest there, checked.

        Raises:
            StoreError: the disk is full or not writable; what is finished stays for the next call.
        """
        request = manifest.request
        with explaining_full_disk(request.step, self.root), self.locked(f"{request.step}-{request.fingerprint}"):
            if finished := self.find(request):
                return finished
            directory = self.partial_directory(request)
            directory.mkdir(parents=True, exist_ok=True)
            work(directory)
            shutil.rmtree(directory / WORK_FOLDER, ignore_errors=True)
            belonging = {file.path for file in manifest.files}
            for name, path in files_below(directory).items():
                if name not in belonging:
                    path.unlink()  # of a run that did not finish
            return self._seal(manifest.model_copy(update={"directory": self.directory(request)}), directory)

    def at(self, address: str) -> Manifest | None:
        """The published artifact ``step/fingerprint``, or None."""
        return read_manifest(self.root / "artifacts" / address) if self._has(address) else None

    def by_fingerprint(self, fingerprint: str) -> Manifest:
        """The published artifact whose fingerprint starts with the given digits.

        Raises:
            StoreError: there is none, or more than one, or its manifest is damaged.
        """
        return read_manifest(self.directory_of(fingerprint))

    def directory_of(self, fingerprint: str) -> Path:
        """Where the published artifact lies whose fingerprint starts with the given digits; its manifest is not read.

        Raises:
            StoreError: there is none, or more than one.
        """
        found = sorted(self.root.glob(f"artifacts/*/{fingerprint}*/{MANIFEST_NAME}")) if fingerprint.isalnum() else []
        if len(found) != 1:
            which = ", ".join(str(path.parent.relative_to(self.root)) for path in found) or "nothing"
            raise StoreError(
                f"fingerprint {fingerprint!r} matches {which} in {self.root}; "
                "`llava-jp show EXPERIMENT` lists the fingerprints of an experiment's steps"
            )
        return found[0].parent

    def directories(self, step: str = "*") -> tuple[Path, ...]:
        """Where the published artifacts of one step or all lie, by step and fingerprint; no manifest is read."""
        return tuple(sorted(path.parent for path in self.root.glob(f"artifacts/{step}/*/{MANIFEST_NAME}")))

    def manifests(self, step: str = "*") -> Iterator[Manifest]:
        """All published artifacts, or those of one step, by step and fingerprint.

        Raises:
            StoreError: a manifest is damaged.
        """
        return map(read_manifest, self.directories(step))

    def owners_of(self, address: str) -> tuple[Manifest, ...]:
        """The published artifacts of which ``step/fingerprint`` is a part; damaged manifests are passed over."""
        owners = []
        for directory in self.directories():
            try:
                manifest = read_manifest(directory)
            except StoreError:
                continue
            if address in manifest.parts:
                owners.append(manifest)
        return tuple(owners)

    def discard(self, manifest: Manifest) -> None:
        """Forget a published artifact, so that the next run makes it again."""
        self.discard_directory(manifest.directory)

    def discard_directory(self, directory: Path) -> None:
        """Forget the artifact of this directory, also one whose manifest is damaged.

        First the directory leaves the artifacts, then it is deleted: a crash leaves no half artifact.
        """
        discarded = self.root / "discarded"
        with explaining_full_disk("discard", self.root):
            discarded.mkdir(exist_ok=True)
            os.replace(directory, discarded / f"{directory.parent.name}-{directory.name}-{time.time_ns()}")
            flush(directory.parent)
        for leftover in discarded.iterdir():  # this one, and those of a crash
            shutil.rmtree(leftover, ignore_errors=True)

    def verify(self, manifest: Manifest) -> tuple[str, ...]:
        """What is wrong with an artifact, one sentence each; empty when every byte is as published.

        Parts are artifacts of their own: here only those that are missing are said.
        """
        return problems_of(manifest, is_published=self._has)

    def _require_intact_inputs(self, request: Request) -> None:
        """Nothing is made of an input that is damaged. Its parts are not read here: who opens them checks each row."""
        for fingerprint in request.inputs.values():
            for found in self.root.glob(f"artifacts/*/{fingerprint}/{MANIFEST_NAME}"):
                read_manifest(found.parent).require_intact()

    def _has(self, address: str) -> bool:
        return (self.root / "artifacts" / address / MANIFEST_NAME).exists()

    def _publish(
        self, request: Request, directory: Path, summary: Summary | Mapping[str, Any], *, duration_seconds: float
    ) -> Manifest:
        shutil.rmtree(directory / WORK_FOLDER, ignore_errors=True)
        files = []
        for name, path in files_below(directory).items():
            if path.name == MANIFEST_NAME or path.name.endswith(UNFINISHED_SUFFIX):
                path.unlink()  # left by a crash in the middle of a write
                continue
            files.append(ArtifactFile(path=name, num_bytes=path.stat().st_size, sha256=sha256_of_file(path)))
            flush(path)
        manifest = Manifest(
            request=request,
            files=tuple(files),
            summary=summary.stored() if isinstance(summary, Summary) else dict(summary),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            duration_seconds=round(duration_seconds, 3),
            git_commit=git_commit(),
            versions=library_versions(),
            directory=self.directory(request),
        )
        return self._seal(manifest.with_digest(), directory)

    def _seal(self, manifest: Manifest, directory: Path) -> Manifest:
        """Turn a partial directory with all files into a published artifact."""
        published = manifest.directory
        write_text(directory / MANIFEST_NAME, manifest.model_dump_json(indent=2))
        published.parent.mkdir(parents=True, exist_ok=True)
        if published.exists():  # without a manifest: somebody has deleted it
            self.discard_directory(published)
        os.replace(directory, published)
        flush(published.parent)
        return manifest

    @contextmanager
    def locked(self, name: str, *, is_shared: bool = False) -> Iterator[None]:
        """Hold a lock of the store; who has it is waited for."""
        why_waiting = f"{name.replace('-', ' ')}: another process is making it; waiting"
        with locked(self.root / "locks" / f"{name}.lock", why_waiting, is_shared=is_shared):
            yield


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a published artifact.

    Raises:
        StoreError: it is damaged.
    """
    path = directory / MANIFEST_NAME
    try:
        return parse_manifest(
            path.read_bytes(), address=f"{directory.parent.name}/{directory.name}", directory=directory
        )
    except (DamagedManifestError, OSError) as error:
        raise StoreError(
            f"{path} is damaged: {error}. `llava-jp discard {directory.name}` forgets the artifact; "
            "the next run makes it again, or `llava-jp pull` brings a copy"
        ) from error
