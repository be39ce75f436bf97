"""The artifact store: one directory per fingerprint, complete or absent.

Layout under the root:

    artifacts/<step>/<fingerprint>/...        published, never rewritten; manifest.json is written last
    partial/<step>/<fingerprint>/...          in the making; a crash leaves it, the next run goes on from it
    locks/<step>-<fingerprint>.lock           two processes never make the same artifact at once
"""

import errno
import fcntl
import importlib.metadata
import json
import logging
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.errors import StoreError
from pipeline.manifest import MANIFEST_NAME, ArtifactFile, Manifest, Request, sha256_of_file

log = logging.getLogger(__name__)

UNFINISHED_SUFFIX = ".tmp"
"""Ending of a file that is being written; such a file is never published."""
WORK_FOLDER = "work"
"""Folder of a partial directory for what only a restart needs (checkpoints, job files); never published."""

Work = Callable[[Path], dict[str, Any]]
"""Fills a partial directory and returns the manifest's summary."""


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
        directory = self.directory(request)
        return read_manifest(directory) if (directory / MANIFEST_NAME).exists() else None

    def is_whole(self, request: Request) -> bool:
        """Whether the artifact of this request is there with all artifacts that it consists of."""
        manifest = self.find(request)
        return manifest is not None and not self.missing_parts(manifest)

    def missing_parts(self, manifest: Manifest) -> tuple[str, ...]:
        """The artifacts it consists of that are not in the store, as ``step/fingerprint``."""
        folder = self.root / "artifacts"
        return tuple(part for part in manifest.parts if not (folder / part / MANIFEST_NAME).exists())

    def produce(self, request: Request, work: Work) -> Manifest:
        """Return the artifact of this request; make it with ``work`` if it is not there yet.

        ``work`` gets a partial directory that may hold finished files of an earlier, interrupted call. It returns the
        manifest's summary. Another process that makes the same artifact is waited for.

        Raises:
            StoreError: the disk is full or not writable; what is finished stays for the next call.
        """
        if finished := self.find(request):
            log.info("%s %s: already done", request.step, request.fingerprint)
            return finished
        with self._explained(request), self.locked(f"{request.step}-{request.fingerprint}"):
            if finished := self.find(request):
                return finished
            directory = self.partial_directory(request)
            directory.mkdir(parents=True, exist_ok=True)
            started = time.monotonic()
            summary = work(directory)
            return self._publish(request, directory, summary, duration_seconds=time.monotonic() - started)

    def by_fingerprint(self, fingerprint: str) -> Manifest:
        """The published artifact whose fingerprint starts with the given digits.

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
        return read_manifest(found[0].parent)

    def manifests(self, step: str = "*") -> Iterator[Manifest]:
        """All published artifacts, or those of one step, by step and fingerprint."""
        for path in sorted(self.root.glob(f"artifacts/{step}/*/{MANIFEST_NAME}")):
            yield read_manifest(path.parent)

    def verify(self, manifest: Manifest) -> tuple[str, ...]:
        """What is wrong with an artifact's files, one sentence each; empty when every byte is as published."""
        expected = {file.path: file for file in manifest.files}
        present = {_relative(path, manifest.directory) for path in _files(manifest.directory)} - {MANIFEST_NAME}
        problems = [f"{name} is missing" for name in expected if name not in present]
        problems += [f"{name} does not belong to the artifact" for name in sorted(present - set(expected))]
        for name in sorted(present & set(expected)):
            if sha256_of_file(manifest.directory / name) != expected[name].sha256:
                problems.append(f"{name} changed: its sha256 is not {expected[name].sha256[:12]}…")
        return tuple(problems)

    def _publish(
        self, request: Request, directory: Path, summary: dict[str, Any], *, duration_seconds: float
    ) -> Manifest:
        shutil.rmtree(directory / WORK_FOLDER, ignore_errors=True)
        files = []
        for path in _files(directory):
            if path.name == MANIFEST_NAME or path.name.endswith(UNFINISHED_SUFFIX):
                path.unlink()  # left by a crash in the middle of a write
                continue
            files.append(
                ArtifactFile(
                    path=_relative(path, directory), num_bytes=path.stat().st_size, sha256=sha256_of_file(path)
                )
            )
            _flush(path)
        published = self.directory(request)
        manifest = Manifest(
            request=request,
            files=tuple(files),
            summary=summary,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            duration_seconds=round(duration_seconds, 3),
            git_commit=git_commit(),
            versions=library_versions(),
            directory=published,
        )
        write_text(directory / MANIFEST_NAME, manifest.model_dump_json(indent=2))
        published.parent.mkdir(parents=True, exist_ok=True)
        os.replace(directory, published)
        _flush(published.parent)
        return manifest

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold a lock of the store; another process that has it is waited for."""
        path = self.root / "locks" / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.info("%s: another process is making it; waiting", name.replace("-", " "))
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _explained(self, request: Request) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise
            free = shutil.disk_usage(self.root).free / 1e9
            raise StoreError(
                f"{request.step} cannot write to {self.root}: {os.strerror(error.errno)} ({free:.1f} GB free). "
                "Free some space and run the same command again: finished files are kept"
            ) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file that appears under its name only when it is complete and on disk."""
    unfinished = path.with_name(path.name + UNFINISHED_SUFFIX)
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a published artifact."""
    record = json.loads((directory / MANIFEST_NAME).read_text(encoding="utf-8"))
    return Manifest(**record, directory=directory)


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _relative(path: Path, directory: Path) -> str:
    return path.relative_to(directory).as_posix()


def _flush(path: Path) -> None:
    """Ask the kernel to bring a file or a directory entry to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
