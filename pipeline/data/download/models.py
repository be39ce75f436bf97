"""Models on the Hub and the commits that they are pinned to."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from model.config import HubFolder
from pipeline.config.experiment import ExperimentConfig, validate_experiment
from pipeline.data.download.fetch import pin_sources
from pipeline.store.lockfile import pinned_revision
from pipeline.store.sources import Source, SourceFile


def pin_models(config: ExperimentConfig, *, root: Path) -> ExperimentConfig:
    """The experiment with a commit for every model on the Hub; the Hub is asked once for those that have none.

    The answer is written down in the store's lock file: from then on the same files are read, whatever a branch does.

    Raises:
        ConfigError: a model needs an account or its terms accepted.
        DataError: the Hub does not have a model.
        TransientError: the Hub does not answer.
    """
    unpinned = {folder.id for folder in _hub_folders(config) if folder.revision is None}
    if not unpinned:
        return config
    pinned = pin_sources([_as_source(id) for id in sorted(unpinned)], root=root)
    revisions = {id: locked.revision for id, locked in pinned.items()}
    return validate_experiment(_with_revisions(config.model_dump(), revisions), source=config.name)


def unpinned_models(config: ExperimentConfig, *, root: Path) -> tuple[str, ...]:
    """Names of the models that the next run will look up; fingerprints of what is made with them are not final."""
    names = {folder.id for folder in _hub_folders(config) if folder.revision is None}
    return tuple(sorted(name for name in names if pinned_revision(name, root=root) is None))


def _as_source(id: str) -> Source:
    config = SourceFile(name="config.json", approximate_bytes=1_000)
    what = "a model that an experiment names"
    return Source(name=id, what=what, kind="hub_model", repo=id, files=(config,), licence="its own", citation=id)


def _hub_folders(section: BaseModel) -> Iterator[HubFolder]:
    if isinstance(section, HubFolder):
        yield section
    for name in type(section).model_fields:
        if isinstance(value := getattr(section, name), BaseModel):
            yield from _hub_folders(value)


def _with_revisions(value: Any, revisions: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        if value.get("kind") == "hub" and value["revision"] is None:
            return {**value, "revision": revisions[value["id"]]}
        return {key: _with_revisions(item, revisions) for key, item in value.items()}
    return value
