"""Copies artifacts from object storage into the store, parts first; published only when every byte is as announced."""

import hashlib
import logging
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from pipeline.core.disk import explaining_full_disk, free_bytes, free_files
from pipeline.core.errors import StoreError
from pipeline.core.files import appearing
from pipeline.core.hashing import sha256_of_file
from pipeline.core.progress import BYTES, Progress
from pipeline.core.safe_paths import place_of
from pipeline.core.transfers import Transfers
from pipeline.core.wording import size_text
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import ArtifactFile, Manifest
from pipeline.store.remote.artifacts import RemoteArtifacts, with_parts
from pipeline.store.remote.shipments import Moved, Shipment, described, moved_by
from pipeline.store.remote.storage import ObjectStorage

log = logging.getLogger(__name__)

SLACK_BYTES_PER_FILE = 4096
"""What a file takes on the disk beyond its bytes, at most."""


def pull(addresses: Iterable[str], *, store: ArtifactStore, storage: ObjectStorage, num_parallel: int = 4) -> Moved:
    """Copy the artifacts at some addresses, and their parts, from a storage. Whole files of an earlier call are kept.

    Raises:
        ConfigError: no access.
        DataError: a path in a manifest leads out of its artifact.
        StoreError: something is missing or damaged in the storage, or the disk cannot hold it.
        TransientError: the storage does not answer; files that are whole are kept.
    """
    remote = RemoteArtifacts(storage)
    generations = with_parts(addresses, partial(_find, store, remote))
    manifests = [manifest for generation in generations for manifest in generation]
    shipments = {each.address: _shipment(store, each) for each in manifests if store.at(each.address) is None}
    moved = moved_by(shipments.values(), num_artifacts=len(manifests))
    total = sum(shipment.manifest.num_bytes for shipment in shipments.values())
    log.info("pull from %s: %s", storage.url, described(moved, num_bytes_there=total - moved.num_bytes))
    _require_disk(moved, store.root)
    if not shipments:
        return moved
    progress = Progress("pull", total=total, unit=BYTES, start=total - moved.num_bytes)
    with explaining_full_disk("the pull", store.root), Transfers(progress, num_parallel=num_parallel) as transfers:
        for generation in generations:
            missing = [each for each in generation if each.address in shipments]
            transfers.each_artifact(partial(_receive, store, remote, transfers), missing)
    progress.finish()
    return moved


def _find(store: ArtifactStore, remote: RemoteArtifacts, address: str) -> Manifest:
    if manifest := store.at(address) or remote.find(address):
        return manifest
    raise StoreError(f"{remote.storage.url} has no complete artifact {address}; push it again")


def _shipment(store: ArtifactStore, manifest: Manifest) -> Shipment:
    directory = store.partial_directory(manifest.request)
    missing = [file for file in manifest.files if not _has_size(directory / file.path, file)]
    return Shipment(manifest, tuple(missing))


def _has_size(path: Path, file: ArtifactFile) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size == file.num_bytes


def _require_disk(moved: Moved, root: Path) -> None:
    needed, free = moved.num_bytes + SLACK_BYTES_PER_FILE * moved.num_files, free_bytes(root)
    if needed > free:
        raise StoreError(
            f"the pull needs {size_text(needed)} at {root} and {size_text(free)} are free. "
            "Free some space, or set LLAVA_JP_STORE to a folder on a larger disk"
        )
    if (files_left := free_files(root)) is not None and moved.num_files > files_left:
        raise StoreError(
            f"the pull makes {moved.num_files} files and the disk at {root} can take {files_left} more. "
            "Set LLAVA_JP_STORE to a folder on a disk with more inodes"
        )


def _receive(store: ArtifactStore, remote: RemoteArtifacts, transfers: Transfers, manifest: Manifest) -> None:
    def work(directory: Path) -> None:
        transfers.each_file(partial(_receive_file, remote, transfers, manifest, directory), manifest.files)

    store.adopt(manifest, work)
    log.debug("%s: pulled", manifest.address)


def _receive_file(
    remote: RemoteArtifacts, transfers: Transfers, manifest: Manifest, directory: Path, file: ArtifactFile
) -> None:
    key = remote.key(manifest.address, file.path)
    url = remote.storage.url_of(key)
    path = place_of(file.path, directory, where=url)
    if _has_size(path, file) and sha256_of_file(path) == file.sha256:
        return  # whole: of a call that was interrupted
    num_bytes = remote.storage.size(key)
    if num_bytes != file.num_bytes:
        there = "is missing" if num_bytes is None else f"has {num_bytes} bytes"
        raise StoreError(f"{url} {there}, and its manifest says {file.num_bytes} bytes; {_advice(remote, manifest)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with appearing(path) as unfinished:
        unfinished.unlink(missing_ok=True)
        sha256 = _download(remote.storage, key, unfinished, num_bytes, transfers)
        if sha256 != file.sha256:
            unfinished.unlink()
            raise StoreError(
                f"{url} has the sha256 {sha256}, and its manifest says {file.sha256}; {_advice(remote, manifest)}"
            )


def _download(storage: ObjectStorage, key: str, path: Path, num_bytes: int, transfers: Transfers) -> str:
    """Write an object to a file; returns its sha256."""
    sha256 = hashlib.sha256()
    with path.open("xb") as file:
        for block in storage.blocks(key, num_bytes=num_bytes):
            sha256.update(block)
            file.write(block)
            transfers.advance(len(block))
    return sha256.hexdigest()


def _advice(remote: RemoteArtifacts, manifest: Manifest) -> str:
    folder = remote.storage.url_of(remote.key(manifest.address))
    return f"nothing was published. Remove {folder} and push it again from a store where it is whole"
