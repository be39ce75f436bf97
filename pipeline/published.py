"""A published dataset on this machine: fetch its sources, and say where its records and its images lie."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.download import FetchedSource, fetch, image_folder
from pipeline.errors import DataError
from pipeline.patience import Patience
from pipeline.sources import DatasetFile, PublishedDataset, find_source


@dataclass(frozen=True, slots=True)
class DatasetOnDisk:
    """Where the parts of a published dataset lie."""

    name: str
    annotations: tuple[Path, ...]
    originals: tuple[Path, ...]
    """Empty when there are none, or they were left out."""
    images: Path
    """The folder where the image paths of the records start."""
    revisions: dict[str, str]
    """Revision of every source, for the records of a run."""


def fetch_dataset(
    dataset: PublishedDataset,
    *,
    root: Path,
    with_originals: bool = True,
    num_parallel: int = 4,
    patience: Patience | None = None,
) -> DatasetOnDisk:
    """Fetch what is missing of a dataset below the store's root; raises what ``fetch`` raises."""
    sources = [find_source(name) for name in dataset.source_names(with_originals=with_originals)]
    fetched = fetch(sources, root=root, num_parallel=num_parallel, patience=patience)
    return locate(dataset, {source.name: source for source in fetched}, root=root)


def locate(dataset: PublishedDataset, fetched: dict[str, FetchedSource], *, root: Path) -> DatasetOnDisk:
    """The files of a dataset whose sources were fetched.

    Raises:
        DataError: an archive does not have the file that the registry names.
    """
    originals = dataset.originals if dataset.originals and dataset.originals.source in fetched else None
    start = image_folder(root) if dataset.images else fetched[dataset.annotations.source].folder
    return DatasetOnDisk(
        name=dataset.name,
        annotations=_paths(dataset.annotations, fetched, root),
        originals=_paths(originals, fetched, root) if originals else (),
        images=start / dataset.image_folder,
        revisions={name: source.revision for name, source in fetched.items()},
    )


def _paths(wanted: DatasetFile, fetched: dict[str, FetchedSource], root: Path) -> tuple[Path, ...]:
    if not wanted.is_unpacked:
        return fetched[wanted.source].paths(wanted.file)
    path = image_folder(root) / wanted.file
    if not path.is_file():
        there = sorted(item.name for item in path.parent.iterdir()) if path.parent.is_dir() else []
        raise DataError(f"the archive of {wanted.source} has no {wanted.file}; below {path.parent} there are: {there}")
    return (path,)
