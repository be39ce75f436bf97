"""What ``llava-jp push`` and ``pull`` take by name: experiments with their index, fingerprints, or everything."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from pipeline.config import ExperimentConfig, load_experiment
from pipeline.errors import StoreError
from pipeline.manifest import Record
from pipeline.plan import plan_experiment, write_index
from pipeline.remote.artifacts import RemoteArtifacts
from pipeline.remote.object_storage import ObjectStorage
from pipeline.remote.pull import pull
from pipeline.remote.push import push
from pipeline.remote.shipments import Moved
from pipeline.store import ArtifactStore, write_text

INDEX_FOLDER = "experiments"
INDEX_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}\.json")
MAX_INDEX_BYTES = 1_000_000
DIGITS = re.compile("[0-9a-f]{1,16}")


class IndexedStep(Record):
    """A step of an experiment, as ``pipeline.plan.write_index`` notes it."""

    role: str
    step: str
    fingerprint: str


class ExperimentIndex(Record):
    """Which artifacts belong to an experiment."""

    experiment: str
    steps: tuple[IndexedStep, ...]


def push_named(names: Sequence[str], *, store: ArtifactStore, storage: ObjectStorage) -> Moved:
    """Push the artifacts of experiments and fingerprints; without names, the whole store.

    Raises:
        ConfigError: a name is neither, or no access to the storage.
        StoreError: nothing of a name is in the store, or something is damaged.
        TransientError: the storage does not answer.
    """
    digits, experiments = _sorted_out(names)
    addresses = [store.by_fingerprint(name).address for name in digits]
    for config in experiments:
        addresses += _of_plan(config, lambda address: store.at(address) is not None, where=str(store.root))
        write_index(config, store_root=store.root)
    if not names:
        addresses = [manifest.address for manifest in store.manifests()]
    moved = push(addresses, store=store, storage=storage)
    folder = store.root / INDEX_FOLDER
    wanted = [folder / f"{config.name}.json" for config in experiments] if names else sorted(folder.glob("*.json"))
    for path in wanted:
        storage.write(f"{INDEX_FOLDER}/{path.name}", path.read_bytes())
    return moved


def pull_named(names: Sequence[str], *, store: ArtifactStore, storage: ObjectStorage) -> Moved:
    """Pull the artifacts of experiments and fingerprints; without names, everything that is in the storage.

    Raises:
        ConfigError: a name is neither, or no access to the storage.
        DataError: a path in a manifest leads out of its artifact.
        StoreError: nothing of a name is in the storage, something is damaged, or the disk cannot hold it.
        TransientError: the storage does not answer.
    """
    digits, experiments = _sorted_out(names)
    remote = RemoteArtifacts(storage)
    listed = remote.addresses() if digits or not names else ()
    addresses = [_matching(name, listed, where=str(storage.url)) for name in digits]
    for config in experiments:
        addresses += _of_plan(config, remote.is_complete, where=str(storage.url))
    if not names:
        addresses = remote.complete(listed)
    moved = pull(addresses, store=store, storage=storage)
    for config in experiments:
        write_index(config, store_root=store.root)
    if not names:
        _pull_indexes(storage, store.root)
    return moved


def _sorted_out(names: Iterable[str]) -> tuple[list[str], list[ExperimentConfig]]:
    digits = [name for name in names if DIGITS.fullmatch(name)]
    return digits, [load_experiment(name) for name in names if name not in digits]


def _of_plan(config: ExperimentConfig, is_there: Callable[[str], bool], *, where: str) -> list[str]:
    found = [step.request.address for step in plan_experiment(config) if is_there(step.request.address)]
    if not found:
        raise StoreError(f"no artifact of {config.name} is in {where}; `llava-jp show {config.name}` lists them")
    return found


def _matching(digits: str, addresses: Iterable[str], *, where: str) -> str:
    found = [address for address in addresses if address.partition("/")[2].startswith(digits)]
    if len(found) != 1:
        raise StoreError(f"fingerprint {digits!r} matches {', '.join(found) or 'nothing'} in {where}")
    return found[0]


def _pull_indexes(storage: ObjectStorage, root: Path) -> None:
    """Bring the indexes of experiments that this store does not know; its own are newer."""
    for name in filter(INDEX_NAME.fullmatch, storage.folders(INDEX_FOLDER)):
        path = root / INDEX_FOLDER / name
        text = None if path.exists() else storage.read(f"{INDEX_FOLDER}/{name}", max_bytes=MAX_INDEX_BYTES)
        if text is None:
            continue
        index = _parsed(text, where=storage.url_of(f"{INDEX_FOLDER}/{name}"), experiment=path.stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(index.model_dump(mode="json"), indent=2))


def _parsed(text: bytes, *, where: str, experiment: str) -> ExperimentIndex:
    try:
        index = ExperimentIndex.model_validate_json(text)
    except ValidationError as error:
        raise StoreError(f"{where} is not the index of an experiment; remove it") from error
    if index.experiment != experiment:
        raise StoreError(f"{where} is the index of {index.experiment!r}; remove it")
    return index
