"""Step: one dataset in one form. Records become samples or findings; images are decoded once.

Counts in equal counts out: ``num_records == num_samples + num_rejected``.
"""

import logging
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.benchmarks.benchmark import NOT_FETCHED, Pair
from pipeline.benchmarks.known import KNOWN_BENCHMARKS
from pipeline.config.experiment import DatasetSource, HfDatasetSource, LocalSource, PublishedSource, ShapesJaSource
from pipeline.config.identity import Identities
from pipeline.core.errors import DataError
from pipeline.core.parquet import ROWS_PER_GROUP, table_writer
from pipeline.core.progress import Progress
from pipeline.data.download.datasets import DatasetOnDisk, dataset_on_disk
from pipeline.data.download.hub_datasets import hub_revision
from pipeline.data.formats import RECORD_READERS, llava_records
from pipeline.data.hf_datasets.parts import records_of
from pipeline.data.image_table import FURTHER_IMAGES, KeptImages, inspect_images, join_parts
from pipeline.data.images import inspect_bytes
from pipeline.data.ingest import ingest
from pipeline.data.items import keeping_details, write_items
from pipeline.data.local_records import as_table, json_records, record_files
from pipeline.data.record_images import all_named, image_names
from pipeline.data.sample_images import link
from pipeline.data.samples import FINDING_SCHEMA, SAMPLE_SCHEMA
from pipeline.data.shapes_ja import generate_shapes
from pipeline.data.source_identity import describe
from pipeline.data.source_texts import originals_on_disk
from pipeline.store.artifacts import WORK_FOLDER, ArtifactStore
from pipeline.store.image_folders import note_image_folder
from pipeline.store.manifest import Manifest, Request, Summary

log = logging.getLogger(__name__)

VERSION = 2  # raise when the same request should give a different result

DETAILS_FILE = "details.json"
"""What a benchmark's records say beyond training records, while the dataset is made."""


class DatasetSummary(Summary):
    """What became of the records of a dataset."""

    source: str
    num_records: int
    num_rejected: int
    num_images: int
    num_samples: int
    num_text_only: int
    num_with_original: int
    num_turns: int
    num_characters: int
    num_further_images: int = 0
    """Images of samples behind their first ones, each as often as it is shown; none before there could be several."""


def prepare_request(source: DatasetSource, identities: Identities) -> Request:
    """What ``prepare_dataset`` is asked to make. A published dataset is named by the revisions of its sources.

    Raises:
        DataError: a path does not exist or is not what it should be.
    """
    return Request(step="dataset", version=VERSION, config=describe(source, identities))


def prepare_dataset(source: DatasetSource, *, store: ArtifactStore) -> Manifest:
    """Write ``samples.parquet``, ``images.parquet`` and ``findings.parquet`` of one dataset.

    Of a published benchmark also ``items.parquet``, and the files that the registry says to keep.
    """
    request = prepare_request(source, Identities(store.root))
    dataset = store.produce(request, lambda directory: _prepare(source, directory, store.root))
    if (folder := _image_folder(source, store.root)) is not None:
        note_image_folder(dataset, folder)
    return dataset


def _image_folder(source: DatasetSource, root: Path) -> Path | None:
    """Where a source's images lie; None if they come with their records, or are not here any more."""
    if isinstance(source, LocalSource | HfDatasetSource):
        return source.images
    if isinstance(source, PublishedSource):
        try:
            return dataset_on_disk(source.name, root=root).images
        except DataError:  # prepared from what was fetched then
            return None
    return None


def require_complete(dataset: Manifest, *, name: str) -> None:
    """A benchmark with an item missing would give a number that means something else.

    Where images are others' to give, items without one are said and left out: the number says how many it is of.

    Raises:
        DataError: some of its items were rejected for another reason.
    """
    summary = DatasetSummary.of(dataset)
    num_lost = _num_not_fetched(dataset) if name in KNOWN_BENCHMARKS and KNOWN_BENCHMARKS[name].loses_images else 0
    if num_lost:
        log.warning(
            "benchmark %s: the images of %d of %d items could not be fetched; its numbers are of the others. "
            "`llava-jp query finding_examples` names them",
            name,
            num_lost,
            summary.num_records,
        )
    if num_rejected := summary.num_rejected - num_lost:
        raise DataError(
            f"benchmark {name}: {num_rejected} of {summary.num_records} items cannot be used; "
            f"`llava-jp query finding_examples` says why. Repair the files and run again"
        )


def _num_not_fetched(dataset: Manifest) -> int:
    checks = pq.read_table(dataset.path("findings.parquet"), columns=["check"])["check"].to_pylist()
    return int(checks.count(NOT_FETCHED))


def _prepare(source: DatasetSource, directory: Path, root: Path) -> DatasetSummary:
    """Records first, then their images, then both together; each part is found again after a kill."""
    work = directory / WORK_FOLDER
    work.mkdir(exist_ok=True)
    files = _files(source, root)
    if not (work / "samples.parquet").exists():
        _ingest(source, files, work, root)
    if not isinstance(source, ShapesJaSource):
        inspect_images(work / "samples.parquet", images=_image_folder(source, root), parts=work)
    images = join_parts(work, directory / "images.parquet")
    counts = _link(work, images, directory)
    if (work / DETAILS_FILE).exists():
        write_items(directory, details_file=work / DETAILS_FILE)
    for file in files.kept if files else ():
        shutil.copyfile(file, directory / file.name)
    return DatasetSummary(source=source.kind, **counts)


def _files(source: DatasetSource, root: Path) -> DatasetOnDisk | None:
    """The fetched files of a published dataset; None for any other."""
    return dataset_on_disk(source.name, root=root) if isinstance(source, PublishedSource) else None


def _ingest(source: DatasetSource, files: DatasetOnDisk | None, work: Path, root: Path) -> None:
    name = files.name if files else source.kind
    if isinstance(source, HfDatasetSource):
        name = source.where if source.is_on_hub else "local"
    with ExitStack() as stack:
        originals = None
        if english := _originals_of(source, files):
            found = originals_on_disk((record for record, _ in english), file=work / "originals.sqlite")
            originals = stack.enter_context(found)
            originals.pair(enumerate(_records(source, files, work, root)))
        records = _records(source, files, work, root)
        if name in KNOWN_BENCHMARKS:
            records = keeping_details(records, work / DETAILS_FILE)
        ingest(enumerate(records), folder=work, default_source=name, originals=originals)


def _originals_of(source: DatasetSource, files: DatasetOnDisk | None) -> Iterator[Pair] | None:
    """The English records, where there are some."""
    if files and files.originals:
        return llava_records(files.originals, files.images)
    if isinstance(source, LocalSource) and source.originals:
        return json_records([source.originals])
    return None


def _records(source: DatasetSource, files: DatasetOnDisk | None, work: Path, root: Path) -> Iterator[Any]:
    """The records in the order of the source; images that they hold are kept in ``work``."""
    if isinstance(source, LocalSource):
        if (table := as_table(source)) is None:
            return _keeping_images(json_records(record_files(source)), work)
        source = table
    if isinstance(source, HfDatasetSource):
        return records_of(source, revision=hub_revision(source, root=root), work=work, root=root)
    if isinstance(source, ShapesJaSource):
        return _keeping_images(_drawn(source), work, is_drawn=True)
    assert files is not None
    read = RECORD_READERS.get(files.name, llava_records)
    return _keeping_images(read(files.annotations, files.images), work)


def _keeping_images(pairs: Iterable[Pair], work: Path, *, is_drawn: bool = False) -> Iterator[Any]:
    """The records; images that come with them are decoded and kept inside the dataset, each once.

    Drawn scenes are so alike that their likeness says nothing; they get no perceptual hash.
    """
    kept = KeptImages(work)
    for record, contents in pairs:
        if contents:
            record = all_named(record, contents)
            for name, content in zip(image_names(record), contents, strict=True):
                if content is not None and name not in kept:
                    image = inspect_bytes(name, content)
                    kept.add(replace(image, perceptual_hash=None, signatures=()) if is_drawn else image)
        yield record
    kept.finish()


def _drawn(source: ShapesJaSource) -> Iterator[Pair]:
    progress = Progress("draw images", total=source.num_images, unit="images")
    image = None
    for record, contents in generate_shapes(source.content, num_images=source.num_images, seed=source.seed):
        if record["image"] != image:
            image = record["image"]
            progress.advance()
        yield record, contents
    progress.finish()


def _link(work: Path, images: pa.Table, directory: Path) -> dict[str, int]:
    """Give samples their image's hash; those whose image cannot be used become findings. Returns the counts."""
    counts: Counter[str] = Counter()
    with (
        table_writer(directory / "samples.parquet", SAMPLE_SCHEMA) as sample_file,
        table_writer(directory / "findings.parquet", FINDING_SCHEMA) as finding_file,
    ):
        findings = pq.read_table(work / "findings.parquet")
        for batch in pq.ParquetFile(work / "samples.parquet").iter_batches(batch_size=ROWS_PER_GROUP):
            samples, rejected = link(pa.table(batch), images)
            sample_file.write_table(samples)
            findings = pa.concat_tables([findings, rejected])
            counts.update(_counts(samples))
        finding_file.write_table(findings.sort_by("record_index"))
    num_rejected = pc.sum(pc.equal(findings["severity"], "reject")).as_py() or 0
    usable = images.filter(pc.equal(images["status"], "ok"))["image_sha256"]
    return {
        "num_records": counts["num_samples"] + num_rejected,
        "num_rejected": num_rejected,
        "num_images": pc.count_distinct(usable).as_py(),
        **{name: counts[name] for name in SAMPLE_COUNTS},
    }


SAMPLE_COUNTS = (
    "num_samples",
    "num_text_only",
    "num_with_original",
    "num_turns",
    "num_characters",
    "num_further_images",
)


def _counts(samples: pa.Table) -> dict[str, int]:
    turns = pc.list_flatten(samples["turns"])
    first_turns = pc.list_element(samples["turns"], 0)
    return {
        "num_samples": len(samples),
        "num_text_only": samples["image"].null_count,
        "num_with_original": len(samples) - pc.struct_field(first_turns, "original").null_count,
        "num_turns": len(turns),
        "num_further_images": pc.sum(pc.list_value_length(samples[FURTHER_IMAGES])).as_py() or 0,
        "num_characters": pc.sum(pc.utf8_length(pc.struct_field(turns, "text"))).as_py() or 0,
    }
