"""Step: one dataset in one form. Records become samples or findings; images are decoded once.

Counts in equal counts out: ``num_records == num_samples + num_rejected``.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pipeline.config import DatasetSource, LocalSource, ShapesJaSource
from pipeline.errors import DataError
from pipeline.identity import identity
from pipeline.images import IMAGE_SCHEMA, ImageRecord, inspect_bytes, inspect_file
from pipeline.manifest import Manifest, Request
from pipeline.parquet import write_rows
from pipeline.progress import Progress
from pipeline.samples import FINDING_SCHEMA, SAMPLE_SCHEMA, Finding, Sample, normalise, read_records
from pipeline.shapes_ja import generate_shapes
from pipeline.store import ArtifactStore

log = logging.getLogger(__name__)

VERSION = 1  # raise when the same request should give a different result


def prepare_request(source: DatasetSource) -> Request:
    """What ``prepare_dataset`` is asked to make."""
    return Request(step="dataset", version=VERSION, config=identity(source))


def prepare_dataset(source: DatasetSource, *, store: ArtifactStore) -> Manifest:
    """Write ``samples.parquet``, ``images.parquet`` and ``findings.parquet`` of one dataset."""
    return store.produce(prepare_request(source), lambda directory: _prepare(source, directory))


def require_complete(dataset: Manifest, *, name: str) -> None:
    """A benchmark with an item missing would give a number that means something else.

    Raises:
        DataError: some of its items were rejected.
    """
    if rejected := dataset.summary["num_rejected"]:
        raise DataError(
            f"benchmark {name}: {rejected} of {dataset.summary['num_records']} items cannot be used; "
            f"`llava-jp query finding_examples` says why. Repair the files and run again"
        )


def _prepare(source: DatasetSource, directory: Path) -> dict[str, Any]:
    if isinstance(source, ShapesJaSource):
        records, images = _generated(source)
    else:
        records, images = _read_local(source)
    samples, findings = _linked(records, images)
    write_rows(directory / "images.parquet", (image.row() for image in images.values()), schema=IMAGE_SCHEMA)
    write_rows(directory / "findings.parquet", (finding.row() for finding in findings), schema=FINDING_SCHEMA)
    write_rows(
        directory / "samples.parquet",
        (sample.row(images[sample.image].image_sha256 if sample.image else None) for sample in samples),
        schema=SAMPLE_SCHEMA,
    )
    usable = {image.image_sha256 for image in images.values() if image.status == "ok"}
    return {
        "source": source.kind,
        "num_records": len(records),
        "num_samples": len(samples),
        "num_rejected": len(records) - len(samples),
        "num_text_only": sum(sample.image is None for sample in samples),
        "num_turns": sum(len(sample.turns) for sample in samples),
        "num_characters": sum(len(turn.text) for sample in samples for turn in sample.turns),
        "num_images": len(usable),
    }


def _generated(source: ShapesJaSource) -> tuple[list[Sample | Finding], dict[str, ImageRecord]]:
    progress = Progress("draw images", total=source.num_images, unit="images")
    records: list[Sample | Finding] = []
    images: dict[str, ImageRecord] = {}
    generated = generate_shapes(source.content, num_images=source.num_images, seed=source.seed)
    for index, (record, content) in enumerate(generated):
        records.append(normalise(record, record_index=index))
        if record["image"] not in images:
            images[record["image"]] = inspect_bytes(record["image"], content)
            progress.advance()
    progress.finish()
    return records, images


def _read_local(source: LocalSource) -> tuple[list[Sample | Finding], dict[str, ImageRecord]]:
    records = [normalise(record, record_index=index) for index, record in read_records(source.annotations)]
    names = list(dict.fromkeys(record.image for record in records if isinstance(record, Sample) and record.image))
    progress = Progress("decode images", total=len(names), unit="images")
    images = {}
    with ThreadPoolExecutor() as pool:
        for image in pool.map(lambda name: inspect_file(name, folder=source.images), names):
            images[image.image] = image
            progress.advance()
    progress.finish()
    return records, images


def _linked(records: list[Sample | Finding], images: dict[str, ImageRecord]) -> tuple[list[Sample], list[Finding]]:
    """Samples whose image is usable and whose id is new; the rest become findings."""
    samples: dict[str, Sample] = {}
    findings: list[Finding] = []
    for record in records:
        if isinstance(record, Finding):
            findings.append(record)
        elif record.sample_id in samples:
            first = samples[record.sample_id].record_index
            findings.append(_rejected(record, "id_repeated", f"{record.sample_id} is also record {first}"))
        elif record.image and images[record.image].status != "ok":
            image = images[record.image]
            findings.append(_rejected(record, f"image_{image.status}", f"{record.image}: {image.reason}"))
        else:
            samples[record.sample_id] = record
    return list(samples.values()), findings


def _rejected(sample: Sample, check: str, evidence: str) -> Finding:
    return Finding(check, evidence, sample.sample_id, sample.record_index)
