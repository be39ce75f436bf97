"""The commands of ``llava-jp`` about the store as a whole: verify, discard, push, pull, deliver."""

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.terminal import console, narrated
from pipeline.core.errors import StoreError
from pipeline.core.files import files_below
from pipeline.core.settings import load_settings
from pipeline.core.wording import size_text
from pipeline.features.shard_requests import STEP as SHARD_STEP
from pipeline.store.artifacts import ArtifactStore, read_manifest
from pipeline.store.manifest import MANIFEST_NAME

if TYPE_CHECKING:
    from pipeline.store.manifest import Manifest
    from pipeline.store.remote.shipments import Moved

Url = Annotated[str, typer.Argument(help="s3://bucket/prefix, gs://bucket/prefix or file:///folder.")]
Names = Annotated[
    list[str] | None, typer.Argument(help="Experiments, and fingerprints or their first digits; default: everything.")
]


def verify(
    fingerprint: Annotated[str | None, typer.Argument(help="Fingerprint or its first digits; default: all.")] = None,
) -> None:
    """Compare every byte with the manifests; for the whole store, also run the checks in sql/checks/invariants."""
    from pipeline.store.queries import broken_invariants

    store = ArtifactStore(load_settings().store_root)
    manifests, problems = [], []
    for directory in [store.directory_of(fingerprint)] if fingerprint else store.directories():
        try:
            manifest = read_manifest(directory)
        except StoreError as error:
            problems.append(str(error))
            continue
        manifests.append(manifest)
        found = store.verify(manifest)
        problems += [f"{directory}: {problem}" for problem in found]
        if found and manifest.request.step == SHARD_STEP:
            problems.append(_advice(manifest))
    if not fingerprint and not problems:
        broken = broken_invariants(store.root)
        problems += [f"{name}: {len(result.rows)} rows, the first: {result.rows[0]}" for name, result in broken.items()]
    if problems:
        raise StoreError("\n  ".join([f"{store.root} is damaged:", *problems]))
    num_files = sum(len(manifest.files) for manifest in manifests)
    num_bytes = sum(manifest.num_bytes for manifest in manifests)
    console.print(f"{len(manifests)} artifacts, {num_files} files, {size_text(num_bytes)}: all as published")


def discard(
    fingerprint: Annotated[str, typer.Argument(help="Fingerprint or its first digits.")],
) -> None:
    """Forget one artifact, so that the next run makes it again; of a feature shard, that shard alone."""
    store = ArtifactStore(load_settings().store_root)
    directory = store.directory_of(fingerprint)
    files = files_below(directory)
    files.pop(MANIFEST_NAME, None)
    num_bytes = sum(path.stat().st_size for path in files.values())
    store.discard_directory(directory)
    address = f"{directory.parent.name}/{directory.name}"
    console.print(f"removed {address}: {len(files)} files, {size_text(num_bytes)}; the next run makes it again")
    for owner in store.owners_of(address):
        console.print(f"it was a part of {owner.address}, which is incomplete until then")


def _advice(shard: "Manifest") -> str:
    from pipeline.features.reader import shard_advice  # torch is loaded only when there is something to tell

    return shard_advice(shard)


def push(url: Url, names: Names = None) -> None:
    """Copy artifacts and their parts to object storage; what is there is not sent again. Credentials: from AWS_*."""
    from pipeline.planning.exchange import push_named
    from pipeline.store.remote.storage import open_storage

    storage = open_storage(url)
    with narrated():
        moved = push_named(names or (), load_settings(), storage=storage)
    _print_moved("pushed", moved, already="there")


def pull(url: Url, names: Names = None) -> None:
    """Copy artifacts and their parts from object storage; every byte is checked before one is published."""
    from pipeline.planning.exchange import pull_named
    from pipeline.store.remote.storage import open_storage

    storage = open_storage(url)
    with narrated():
        moved = pull_named(names or (), load_settings(), storage=storage)
    _print_moved("pulled", moved, already="here")


def _print_moved(done: str, moved: "Moved", *, already: str) -> None:
    console.print(
        f"{done} {moved.num_artifacts} artifacts, {moved.num_files} files, {size_text(moved.num_bytes)}; "
        f"{moved.num_there} were {already} already"
    )


def deliver() -> None:
    """Deliver to MLflow what earlier runs could not, because it was away. Every run does this first as well."""
    from pipeline.tracking.tracker import Tracker

    with narrated():
        tracker = Tracker(load_settings())
        num_delivered = tracker.deliver()
    console.print(f"{num_delivered} operations delivered" if num_delivered else "nothing waits to be delivered")
    for server in tracker.other_servers():
        console.print(
            f"more waits for MLflow at {server}: set LLAVA_JP_TRACKING_URI to it, and deliver again",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )
