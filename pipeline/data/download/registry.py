"""What can be downloaded: every source with its address, revision, files, licence and citation.

The list of training data is ``sources.yaml``, to be read and extended by people; what a benchmark needs is said in its
file of ``pipeline.benchmarks``. A source is one repository at one revision or some files on a web server; a published
dataset says which sources it is made of.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from model.config import Section
from pipeline.benchmarks.known import KNOWN_BENCHMARKS
from pipeline.core.errors import ConfigError, explain
from pipeline.store.sources import PublishedDataset, Source

SOURCES_FILE = "sources.yaml"

Entry = TypeVar("Entry")
Checked = TypeVar("Checked", bound=Section)


def read_registry(text: str) -> tuple[Mapping[str, Source], Mapping[str, PublishedDataset]]:
    """Sources and datasets of a registry in YAML, by name.

    Raises:
        ConfigError: a field is wrong, or a dataset names a source that is not listed.
    """
    values = yaml.safe_load(text)
    sources = {name: _validated(Source, name, fields) for name, fields in values["sources"].items()}
    datasets = {name: _validated(PublishedDataset, name, fields) for name, fields in values["datasets"].items()}
    for dataset in datasets.values():
        if unknown := set(dataset.source_names()) - set(sources):
            raise ConfigError(f"dataset {dataset.name} of {SOURCES_FILE} names sources that are not listed: {unknown}")
    return MappingProxyType(sources), MappingProxyType(datasets)


def known_sources() -> Mapping[str, Source]:
    """Every source of ``sources.yaml`` and of the benchmarks by its name."""
    return _registry()[0]


def known_datasets() -> Mapping[str, PublishedDataset]:
    """Every dataset of ``sources.yaml`` and every benchmark by its name."""
    return _registry()[1]


def find_source(name: str) -> Source:
    """The source of this name.

    Raises:
        ConfigError: there is none; the message lists the known ones.
    """
    return _found(name, known_sources(), "source")


def find_dataset(name: str) -> PublishedDataset:
    """The dataset of this name.

    Raises:
        ConfigError: there is none; the message lists the known ones.
    """
    return _found(name, known_datasets(), "published dataset")


def sources_of(datasets: Sequence[str]) -> tuple[Source, ...]:
    """All sources of some datasets, each once.

    Raises:
        ConfigError: a dataset is not known.
    """
    names = [name for dataset in datasets for name in find_dataset(dataset).source_names()]
    return tuple(find_source(name) for name in dict.fromkeys(names))


@cache
def _registry() -> tuple[Mapping[str, Source], Mapping[str, PublishedDataset]]:
    sources, datasets = read_registry((files("pipeline.data.download") / SOURCES_FILE).read_text(encoding="utf-8"))
    benchmarks = KNOWN_BENCHMARKS.values()
    return (
        MappingProxyType({**sources, **{source.name: source for one in benchmarks for source in one.sources}}),
        MappingProxyType({**datasets, **{one.name: one.dataset for one in benchmarks}}),
    )


def _validated(entry: type[Checked], name: str, fields: dict[str, Any]) -> Checked:
    try:
        return entry.model_validate({"name": name, **fields})
    except ValidationError as error:
        raise ConfigError(explain(error, f"{name} in {SOURCES_FILE}")) from error


def _found(name: str, known: Mapping[str, Entry], what: str) -> Entry:
    if name not in known:
        raise ConfigError(f"no {what} is named {name!r}; there are: {', '.join(sorted(known))}")
    return known[name]
