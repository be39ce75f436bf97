"""What ``llava-jp push`` and ``pull`` take by name: experiments with their index, fingerprints, or everything."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pydantic import Field, ValidationError

from pipeline.config.experiment import is_experiment_file, load_experiment
from pipeline.core.errors import StoreError
from pipeline.core.files import write_text
from pipeline.core.settings import Settings
from pipeline.planning.plan import plan_experiment, write_index
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Record
from pipeline.store.remote.artifacts import RemoteArtifacts
from pipeline.store.remote.pull import pull
from pipeline.store.remote.push import push
from pipeline.store.remote.shipments import Moved
from pipeline.store.remote.storage import ObjectStorage

INDEX_FOLDER = "experiments"
INDEX_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}\.json")
MAX_INDEX_BYTES = 1_000_000
DIGITS = re.compile("[0-9a-f]{1,16}")


class IndexedStep(Record):
    """A step of an experiment, as ``pipeline.planning.plan.write_index`` notes it."""

    role: str
    step: str = Field(pattern=r"^[a-z_]+$")
    fingerprint: str = Field(pattern=r"^[0-9a-f]{16}$")


class ExperimentIndex(Record):
    """Which artifacts belong to an experiment."""

    experiment: str
    steps: tuple[IndexedStep, ...]


def push_named(names: Sequence[str], settings: Settings, *, storage: ObjectStorage) -> Moved:
    """Push the artifacts of experiments and fingerprints; without names, the whole store.

    Raises:
        ConfigError: a name is neither, or no access to the storage.
        StoreError: nothing of a name is in the store, or something is damaged.
        TransientError: the storage does not answer.
    """
    store = ArtifactStore(settings.store_root)
    folder = store.root / INDEX_FOLDER
    digits, experiments = _sorted_out(names)
    addresses = [store.by_fingerprint(name).address for name in digits]
    wanted = []
    for name in experiments:
        key = _key(name)
        path = folder / f"{key}.json"
        if not INDEX_NAME.fullmatch(path.name) or not path.exists():
            config = load_experiment(name)
            write_index(config.name, plan_experiment(config, settings), store_root=store.root)
        index = _parsed(path.read_bytes(), where=str(path), experiment=key)
        addresses += _of_index(index, lambda address: store.at(address) is not None, where=str(store.root))
        wanted.append(path)
    if not names:
        addresses = [manifest.address for manifest in store.manifests()]
        wanted = sorted(folder.glob("*.json"))
    moved = push(addresses, store=store, storage=storage)
    for path in wanted:
        storage.write(f"{INDEX_FOLDER}/{path.name}", path.read_bytes())
    return moved


def pull_named(names: Sequence[str], settings: Settings, *, storage: ObjectStorage) -> Moved:
    """Pull the artifacts of experiments and fingerprints; without names, everything that is in the storage.

    Raises:
        ConfigError: a name is neither, or no access to the storage.
        DataError: a path in a manifest leads out of its artifact.
        StoreError: nothing of a name is in the storage, something is damaged, or the disk cannot hold it.
        TransientError: the storage does not answer.
    """
    store = ArtifactStore(settings.store_root)
    digits, experiments = _sorted_out(names)
    remote = RemoteArtifacts(storage)
    listed = remote.addresses() if digits or not names else ()
    addresses = [_matching(name, listed, where=str(storage.url)) for name in digits]
    indexes = [_index_of(name, storage, settings) for name in experiments]
    for index in indexes:
        addresses += _of_index(index, remote.is_complete, where=str(storage.url))
    if not names:
        addresses = remote.complete(listed)
    moved = pull(addresses, store=store, storage=storage)
    for index in indexes:
        _write_index(index, store.root)
    if not names:
        _pull_indexes(storage, store.root)
    return moved


def _sorted_out(names: Iterable[str]) -> tuple[list[str], list[str]]:
    digits = [name for name in names if DIGITS.fullmatch(name)]
    return digits, [name for name in names if name not in digits]


def _key(name: str) -> str:
    """The experiment's own name, also of a file."""
    return load_experiment(name).name if is_experiment_file(name) else name


def _index_of(name: str, storage: ObjectStorage, settings: Settings) -> ExperimentIndex:
    """What its last run made, as the storage knows it; of an experiment it does not know, what a run would make."""
    key = _key(name)
    place = f"{INDEX_FOLDER}/{key}.json"
    known = storage.read(place, max_bytes=MAX_INDEX_BYTES) if INDEX_NAME.fullmatch(f"{key}.json") else None
    if known is not None:
        return _parsed(known, where=storage.url_of(place), experiment=key)
    steps = (
        IndexedStep(role=str(step.role), step=step.request.step, fingerprint=step.fingerprint)
        for step in plan_experiment(load_experiment(name), settings)
    )
    return ExperimentIndex(experiment=key, steps=tuple(steps))


def _of_index(index: ExperimentIndex, is_there: Callable[[str], bool], *, where: str) -> list[str]:
    found = [address for step in index.steps if is_there(address := f"{step.step}/{step.fingerprint}")]
    if not found:
        name = index.experiment
        raise StoreError(f"no artifact of {name} is in {where}; `llava-jp show {name}` lists them")
    return found


def _write_index(index: ExperimentIndex, root: Path) -> None:
    path = root / INDEX_FOLDER / f"{index.experiment}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(index.model_dump(mode="json"), indent=2))


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
        _write_index(_parsed(text, where=storage.url_of(f"{INDEX_FOLDER}/{name}"), experiment=path.stem), root)


def _parsed(text: bytes, *, where: str, experiment: str) -> ExperimentIndex:
    try:
        index = ExperimentIndex.model_validate_json(text)
    except ValidationError as error:
        raise StoreError(f"{where} is not the index of an experiment; remove it") from error
    if index.experiment != experiment:
        raise StoreError(f"{where} is the index of {index.experiment!r}; remove it")
    return index
