"""Datasets on the Hub that an experiment names by id, and the commits that they are pinned to."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.config.datasets import DatasetSource, HfDatasetSource
from pipeline.config.evaluation import EvaluationConfig
from pipeline.config.experiment import DatasetsConfig
from pipeline.core.errors import DataError
from pipeline.data.download.fetch import pin_sources
from pipeline.data.download.hub import EVERY_FILE
from pipeline.store.lockfile import dataset_pin, pinned_revision
from pipeline.store.sources import Source, SourceFile


def hub_datasets(evaluation: EvaluationConfig, datasets: DatasetsConfig | None = None) -> tuple[HfDatasetSource, ...]:
    """Those that an experiment trains on or is measured with and that name no commit."""
    sources: list[DatasetSource] = [datasets.pretrain, datasets.finetune] if datasets else []
    sources += [benchmark.source for benchmark in evaluation.benchmarks]
    return tuple(
        source
        for source in sources
        if isinstance(source, HfDatasetSource) and source.is_on_hub and source.revision is None
    )


def pin_hub_datasets(datasets: Iterable[HfDatasetSource], *, root: Path) -> None:
    """Ask the Hub once for the commit of each dataset, and write it down in the store's lock file with its files.

    Raises:
        ConfigError: a dataset needs an account or its terms accepted.
        DataError: the Hub does not have a dataset.
        TransientError: the Hub does not answer.
    """
    if unpinned := unpinned_datasets(datasets, root=root):
        pin_sources([_as_source(id) for id in unpinned], root=root)


def unpinned_datasets(datasets: Iterable[HfDatasetSource], *, root: Path) -> Sequence[str]:
    """Ids of those that the next run will look up; fingerprints of what is made of them are not final."""
    ids = sorted({source.where for source in datasets})
    return [id for id in ids if pinned_revision(dataset_pin(id), root=root) is None]


def hub_revision(source: HfDatasetSource, *, root: Path) -> str | None:
    """The commit to read; None for files of this machine.

    Raises:
        DataError: no run has pinned it.
    """
    revision = source.revision or pinned_revision(dataset_pin(source.where), root=root)
    if revision is None and source.is_on_hub:
        raise DataError(f"{source.where} is not pinned to a commit yet; a run of the experiment does it")
    return revision if source.is_on_hub else None


def _as_source(id: str) -> Source:
    every = SourceFile(name=EVERY_FILE, approximate_bytes=1)
    what = "a dataset that an experiment names"
    return Source(
        name=dataset_pin(id), what=what, kind="hub_dataset", repo=id, files=(every,), licence="its own", citation=id
    )
