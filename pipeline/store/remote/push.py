"""Copies artifacts of the store to object storage, parts first, files before the manifest; what is there stays."""

import hashlib
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pipeline.core.errors import StoreError
from pipeline.core.files import UNFINISHED_SUFFIX
from pipeline.core.hashing import sha256_of_file
from pipeline.core.progress import BYTES, Progress
from pipeline.core.transfers import Transfers
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import MANIFEST_NAME, ArtifactFile, Manifest
from pipeline.store.remote.artifacts import NUM_LOOKS_AT_ONCE, RemoteArtifacts, with_parts
from pipeline.store.remote.shipments import Moved, Shipment, described, moved_by
from pipeline.store.remote.storage import ObjectStorage

log = logging.getLogger(__name__)

NOTE_NAME = "pushing" + UNFINISHED_SUFFIX
"""Object that says, while the manifest is missing, to which manifest the files belong: by its sha256."""


def push(addresses: Iterable[str], *, store: ArtifactStore, storage: ObjectStorage, num_parallel: int = 4) -> Moved:
    """Copy the artifacts at some addresses, and their parts, to a storage.

    Raises:
        ConfigError: no access.
        StoreError: an artifact is not in the store, or is damaged in it or in the storage.
        TransientError: the storage does not answer; what is whole there is kept.
    """
    remote = RemoteArtifacts(storage)
    generations = with_parts(addresses, partial(_find, store))
    manifests = [manifest for generation in generations for manifest in generation]
    with ThreadPoolExecutor(NUM_LOOKS_AT_ONCE) as pool:
        looks = list(pool.map(partial(_shipment, remote), manifests))
    shipments = {look.manifest.address: look for look in looks if look}
    moved = moved_by(shipments.values(), num_artifacts=len(manifests))
    total = sum(shipment.manifest.num_bytes for shipment in shipments.values())
    log.info("push to %s: %s", storage.url, described(moved, num_bytes_there=total - moved.num_bytes))
    if not shipments:
        return moved
    progress = Progress("push", total=total, unit=BYTES, start=total - moved.num_bytes)
    with Transfers(progress, num_parallel=num_parallel) as transfers:
        for generation in generations:
            missing = [shipments[each.address] for each in generation if each.address in shipments]
            transfers.each_artifact(partial(_send, remote, transfers), missing)
    progress.finish()
    return moved


def _find(store: ArtifactStore, address: str) -> Manifest:
    if manifest := store.at(address):
        return manifest
    raise StoreError(f"{address} is not in {store.root}; `llava-jp verify` says which artifact it is a part of")


def _shipment(remote: RemoteArtifacts, manifest: Manifest) -> Shipment | None:
    """What is to be sent of an artifact; None when it is there.

    A file of the right size is whole, as no upload leaves a piece of one. But two machines may have made the same
    artifact with other bytes, so only files under a note of this very manifest count.
    """
    if there := remote.find(manifest.address):
        if there.content_digest != manifest.content_digest:
            log.warning(
                "%s is in %s already, made at %s where this one was made at %s; it is not replaced",
                manifest.address, remote.storage.url, there.created_at, manifest.created_at,
            )  # fmt: skip
        return None
    note = remote.storage.read(remote.key(manifest.address, NOTE_NAME), max_bytes=1000)
    sizes = remote.storage.sizes(remote.key(manifest.address)) if note == _note(manifest) else {}
    missing = [file for file in manifest.files if sizes.get(remote.key(manifest.address, file.path)) != file.num_bytes]
    return Shipment(manifest, tuple(missing))


def _note(manifest: Manifest) -> bytes:
    return hashlib.sha256((manifest.directory / MANIFEST_NAME).read_bytes()).hexdigest().encode()


def _send(remote: RemoteArtifacts, transfers: Transfers, shipment: Shipment) -> None:
    manifest, storage = shipment.manifest, remote.storage
    note = remote.key(manifest.address, NOTE_NAME)
    storage.write(note, _note(manifest))
    transfers.each_file(partial(_send_file, remote, transfers, manifest), shipment.files)
    storage.write(remote.key(manifest.address, MANIFEST_NAME), (manifest.directory / MANIFEST_NAME).read_bytes())
    storage.remove(note)
    log.debug("%s: pushed", manifest.address)


def _send_file(remote: RemoteArtifacts, transfers: Transfers, manifest: Manifest, file: ArtifactFile) -> None:
    path = manifest.directory / file.path
    if not path.is_file() or sha256_of_file(path) != file.sha256:
        raise StoreError(
            f"{path} is not as it was published, so {manifest.address} is not pushed; "
            f"`llava-jp discard {manifest.fingerprint}`, and the next run makes it again"
        )
    remote.storage.upload(path, remote.key(manifest.address, file.path), on_bytes=transfers.advance)
