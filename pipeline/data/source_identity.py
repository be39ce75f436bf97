"""What a dataset is, wherever its files lie: their content, and the content of those images that its records name."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.benchmarks.benchmark import Pair
from pipeline.benchmarks.known import KNOWN_BENCHMARKS
from pipeline.config.datasets import DatasetSource, HfDatasetSource, LocalSource, PublishedSource
from pipeline.config.identity import Identities
from pipeline.core.errors import DataError
from pipeline.data.download.datasets import revisions
from pipeline.data.download.registry import find_dataset
from pipeline.data.hf_datasets.parts import ROWS_VERSION, rows_of
from pipeline.data.items import ITEMS_VERSION
from pipeline.data.local_records import as_table, json_records, record_files
from pipeline.data.record_images import all_named
from pipeline.data.samples import Sample, normalise
from pipeline.data.source_texts import PAIRING_VERSION
from pipeline.store.lockfile import NOT_PINNED, dataset_pin, pinned_revision


def describe(source: DatasetSource, identities: Identities) -> dict[str, Any]:
    """The source as JSON values in which paths are digests and names on the Hub have their revisions.

    Raises:
        DataError: a path does not exist or is not what it should be.
    """
    if isinstance(source, LocalSource):
        return _local(source, identities)
    if isinstance(source, HfDatasetSource):
        return _hf_dataset(source, identities)
    config = identities.of(source)
    if isinstance(source, PublishedSource):
        config["revisions"] = revisions(source.name, root=identities.root)
        if source.name in KNOWN_BENCHMARKS:
            config["items_version"] = ITEMS_VERSION
        if find_dataset(source.name).originals is not None:
            config["pairing_version"] = PAIRING_VERSION
    return config


def _local(source: LocalSource, identities: Identities) -> dict[str, Any]:
    files = record_files(source)
    config: dict[str, Any] = {"kind": source.kind, "annotations_sha256": identities.of_patterns(source.patterns)}
    if source.originals:
        if source.originals.is_dir():
            raise DataError(f"originals: {source.originals} is not a file of records")
        originals_sha256 = identities.of_path(source.originals)
        config |= {"originals_sha256": originals_sha256, "pairing_version": PAIRING_VERSION}
    if (table := as_table(source)) is not None:
        config["rows_version"] = ROWS_VERSION
    if source.images:
        _require_folder(source.images)

        def names() -> list[str]:
            return _image_names(json_records(files) if table is None else _rows(table))

        records = {"kind": "json" if table is None else "table", "annotations": config["annotations_sha256"]}
        config["images_sha256"] = identities.of_named(source.images, records, names)
    return config


def _hf_dataset(source: HfDatasetSource, identities: Identities) -> dict[str, Any]:
    """Files by their content, a repository by its commit; what is not given is no part of what is asked.

    Of a folder of images, those count that the records name. Records on the Hub are read for it once.

    Raises:
        TransientError: the Hub does not answer.
    """
    config: dict[str, Any] = {"kind": source.kind, "split": source.split, "rows_version": ROWS_VERSION}
    config |= {"name": source.name} if source.name else {}
    config |= {"columns": source.columns.names()} if source.columns else {}
    if source.is_on_hub:
        pinned = source.revision or pinned_revision(dataset_pin(source.where), root=identities.root) or NOT_PINNED
        config |= {"path": source.where, "revision": pinned}
    else:
        config["path_sha256"] = identities.of_patterns(source.patterns)
    if source.images:
        _require_folder(source.images)
        if config.get("revision") == NOT_PINNED:  # which records there are is not decided yet
            config["images_sha256"] = NOT_PINNED
        else:
            revision = config.get("revision")
            config["images_sha256"] = identities.of_named(
                source.images, dict(config), lambda: _image_names(_rows(source, revision=revision))
            )
    return config


def _require_folder(images: Path) -> None:
    if not images.is_dir():
        raise DataError(f"images: {images} {'is not a folder' if images.exists() else 'does not exist'}")


def _rows(source: HfDatasetSource, *, revision: str | None = None) -> Iterator[Pair]:
    with TemporaryDirectory(prefix="llava-jp-names-") as cache:
        yield from rows_of(source, revision=revision, cache=Path(cache))


def _image_names(pairs: Iterator[Pair]) -> list[str]:
    """The images that the usable records name and do not hold, each once, in their order."""
    names: dict[str, None] = {}
    for record, contents in pairs:
        if contents and None not in contents:
            continue
        sample = normalise(all_named(record, contents) if contents else record, record_index=0)
        if isinstance(sample, Sample):
            held = (content is not None for content in contents or [None] * len(sample.images))
            names |= {name: None for name, is_held in zip(sample.images, held, strict=True) if not is_held}
    return list(names)
