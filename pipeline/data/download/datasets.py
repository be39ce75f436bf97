"""Published datasets: what fetching them takes, the revisions that name them, and where their files lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.experiment import DatasetSource, ExperimentConfig, PublishedSource
from pipeline.core.errors import DataError
from pipeline.data.download.fetch import FetchedSource, current_pin, fetch, image_folder, pin_sources, source_folder
from pipeline.data.download.plan import FetchPlan, fetch_plan, require_disk
from pipeline.data.download.registry import find_dataset, sources_of
from pipeline.store.lockfile import NOT_PINNED, SourceLock
from pipeline.store.sources import DatasetFile, PublishedDataset


@dataclass(frozen=True, slots=True)
class DatasetOnDisk:
    """Where the parts of a published dataset lie."""

    name: str
    annotations: tuple[Path, ...]
    originals: tuple[Path, ...]
    """Empty when there are none."""
    images: Path
    """The folder where the image paths of the records start."""
    kept: tuple[Path, ...] = ()
    """Files that stay in the prepared dataset as they are."""


def published_datasets(config: ExperimentConfig) -> tuple[str, ...]:
    """Names of the published datasets that an experiment trains on or is measured with, each once."""
    return published_among(
        [config.datasets.pretrain, config.datasets.finetune]
        + [benchmark.source for benchmark in config.evaluation.benchmarks]
    )


def published_among(sources: Sequence[DatasetSource]) -> tuple[str, ...]:
    """Names of the published datasets among some sources, each once."""
    return tuple(dict.fromkeys(source.name for source in sources if isinstance(source, PublishedSource)))


def plan_download(datasets: Sequence[str], *, root: Path) -> FetchPlan | None:
    """What fetching some published datasets takes; None when there are none.

    Raises:
        ConfigError: a dataset is not known.
    """
    return fetch_plan(sources_of(datasets), root=root) if datasets else None


def pin_datasets(datasets: Sequence[str], *, root: Path) -> None:
    """Fix what the sources of some datasets are, so that what is made of them has an address. Fetches no file.

    Raises:
        ConfigError: a dataset is not known, or a source needs an account.
        StoreError: the disk cannot hold what has to be fetched.
        TransientError: a server does not answer.
    """
    if not is_pinned(datasets, root=root):
        sources = sources_of(datasets)
        require_disk(fetch_plan(sources, root=root))
        pin_sources(sources, root=root)


def is_pinned(datasets: Sequence[str], *, root: Path) -> bool:
    """Whether all sources of some datasets are pinned."""
    return not any(NOT_PINNED in revisions(name, root=root).values() for name in datasets)


def fetch_datasets(datasets: Sequence[str], *, root: Path) -> None:
    """Fetch and unpack what some datasets consist of, as far as it is not there.

    Raises:
        StoreError: the disk cannot hold it; and what ``pipeline.data.download.fetch`` raises.
    """
    sources = sources_of(datasets)
    require_disk(fetch_plan(sources, root=root))
    fetch(sources, root=root)


def revisions(dataset: str, *, root: Path) -> dict[str, str]:
    """The revision of every source of a dataset, which together decide all of its bytes."""
    lock = SourceLock(root)
    pins = {source.name: current_pin(source, lock) for source in sources_of([dataset])}
    return {name: locked.revision if locked else NOT_PINNED for name, locked in pins.items()}


def dataset_on_disk(dataset: str, *, root: Path) -> DatasetOnDisk:
    """Where the files of a fetched dataset lie.

    Raises:
        DataError: it has not been fetched.
    """
    lock, fetched = SourceLock(root), {}
    for source in sources_of([dataset]):
        locked = current_pin(source, lock)
        if locked is None:
            raise DataError(f"{source.name} has not been fetched; `llava-jp fetch {dataset}` does it")
        folder = source_folder(source, locked, root)
        fetched[source.name] = FetchedSource(source.name, locked.revision, folder, locked.files)
    return locate(find_dataset(dataset), fetched, root=root)


def locate(dataset: PublishedDataset, fetched: dict[str, FetchedSource], *, root: Path) -> DatasetOnDisk:
    """The files of a dataset whose sources were fetched.

    Raises:
        DataError: an archive does not have the file that the registry names.
    """
    start = image_folder(root) if dataset.images else fetched[dataset.annotations.source].folder
    return DatasetOnDisk(
        name=dataset.name,
        annotations=_paths(dataset.annotations, fetched, root),
        originals=_paths(dataset.originals, fetched, root) if dataset.originals else (),
        images=start / dataset.image_folder,
        kept=tuple(path for file in dataset.kept for path in _paths(file, fetched, root)),
    )


def _paths(wanted: DatasetFile, fetched: dict[str, FetchedSource], root: Path) -> tuple[Path, ...]:
    if not wanted.is_unpacked:
        return fetched[wanted.source].paths(wanted.file)
    path = image_folder(root) / wanted.file
    if not path.is_file():
        there = sorted(item.name for item in path.parent.iterdir()) if path.parent.is_dir() else []
        raise DataError(f"the archive of {wanted.source} has no {wanted.file}; below {path.parent} there are: {there}")
    return (path,)
