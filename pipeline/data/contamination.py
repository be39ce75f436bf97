"""Step: which training images are benchmark images as well, and which samples are left without them.

A model that has seen a benchmark's images in training may answer from memory. Whether the samples are left out is the
experiment's choice (``contamination.exclude``); what was found is kept either way.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.config.experiment import ContaminationConfig
from pipeline.core.errors import DataError
from pipeline.core.parquet import write_table
from pipeline.data.image_table import FURTHER_IMAGES
from pipeline.data.same_pictures import pictures_of, same_pictures
from pipeline.data.translation_report import AcceptedSummary
from pipeline.store.artifacts import WORK_FOLDER, ArtifactStore
from pipeline.store.manifest import Manifest, Request
from pipeline.store.queries import contaminated_images
from pipeline.store.sql_files import sql_files

VERSION = 2  # raise when the same request should give a different result

CONTAMINATION_SCHEMA = pa.schema(
    [
        pa.field("image", pa.string(), nullable=False),
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("benchmark_image", pa.string(), nullable=False),
        pa.field("matched_by", pa.string(), nullable=False),
        pa.field("distance", pa.int64()),
    ]
)


class ContaminationSummary(AcceptedSummary):
    """How many training images and samples are those of a benchmark."""

    num_contaminated: int
    num_images_by_benchmark: dict[str, dict[str, int]]
    """By the way that they were matched, and ``any``."""
    num_samples_by_benchmark: dict[str, int]


def contamination_request(
    config: ContaminationConfig, *, dataset: str, accepted: str, benchmarks: Mapping[str, str]
) -> Request:
    """What ``find_contamination`` is asked to make; all inputs by their fingerprints, the benchmarks' by name."""
    return Request(
        step="contamination",
        version=VERSION,
        config={
            "max_distance": config.max_distance,
            "checks": {name: check.sha256 for name, check in sql_files("checks/contamination").items()},
        },
        inputs={
            "dataset": dataset,
            "accepted": accepted,
            **{f"benchmark/{name}": fingerprint for name, fingerprint in benchmarks.items()},
        },
    )


def find_contamination(
    config: ContaminationConfig,
    *,
    dataset: Manifest,
    accepted: Manifest,
    benchmarks: Mapping[str, Manifest],
    store: ArtifactStore,
) -> Manifest:
    """Write ``contamination.parquet``, and ``accepted.parquet`` without the samples on contaminated images."""
    request = contamination_request(
        config,
        dataset=dataset.fingerprint,
        accepted=accepted.fingerprint,
        benchmarks={name: manifest.fingerprint for name, manifest in benchmarks.items()},
    )
    return store.produce(request, lambda directory: _find(config, dataset, accepted, benchmarks, directory))


def contamination_rows(role: str, found: Manifest) -> list[dict[str, Any]]:
    """One row per benchmark, for a table."""
    summary = ContaminationSummary.of(found)
    return [
        {"dataset": role, "benchmark": name, **counts, "num_samples": summary.num_samples_by_benchmark[name]}
        for name, counts in summary.num_images_by_benchmark.items()
    ]


def contamination_line(found: Manifest, *, is_excluded: bool) -> str:
    """How much of the training is on benchmark images, in one line."""
    summary = ContaminationSummary.of(found)
    counts = [f"{images['any']} in {name}" for name, images in summary.num_images_by_benchmark.items()]
    what = "left out of the training" if is_excluded else "kept; contamination.exclude leaves them out"
    fate = f"; {summary.num_contaminated} samples on them are {what}" if summary.num_contaminated else ""
    return f"training images that are benchmark images: {', '.join(counts)}{fate}"


def require_uncontaminated(found: Mapping[str, Manifest]) -> None:
    """The gate of ``contamination.exclude``, before anything is computed for a training that cannot start.

    Raises:
        DataError: every accepted sample of a dataset is on a benchmark image.
    """
    for role, manifest in found.items():
        summary = ContaminationSummary.of(manifest)
        if not summary.num_accepted:
            raise DataError(
                f"dataset {role}: all {summary.num_contaminated} accepted samples are on images of the "
                "benchmarks, and contamination.exclude leaves them out, so none is left. "
                "`llava-jp query contaminated_images` shows them. Train on other images, or keep them"
            )


def _find(
    config: ContaminationConfig,
    dataset: Manifest,
    accepted: Manifest,
    benchmarks: Mapping[str, Manifest],
    directory: Path,
) -> ContaminationSummary:
    tables = [CONTAMINATION_SCHEMA.empty_table()]
    work = directory / WORK_FOLDER
    work.mkdir(exist_ok=True)
    compared = {name: pictures_of(manifest, work) for name, manifest in benchmarks.items()}
    for check, found in contaminated_images(pictures_of(dataset, work), compared, max_distance=config.max_distance):
        matches = same_pictures(found) if "levels" in found.column_names else found
        columns = {
            **{name: matches[name] for name in matches.column_names},
            "matched_by": pa.repeat(check, len(matches)),
        }
        tables.append(pa.table({name: columns[name] for name in CONTAMINATION_SCHEMA.names}).cast(CONTAMINATION_SCHEMA))
    order = [(name, "ascending") for name in ("benchmark", "benchmark_image", "image", "matched_by")]
    matched = pa.concat_tables(tables).sort_by(order)
    samples = _images_of_samples(dataset)
    ids = pq.read_table(accepted.path("accepted.parquet"))
    samples = samples.filter(pc.is_in(samples["sample_id"], value_set=ids["sample_id"]))
    contaminated = samples.filter(pc.is_in(samples["image"], value_set=matched["image"]))["sample_id"]
    kept = ids.filter(pc.invert(pc.is_in(ids["sample_id"], value_set=contaminated)))
    write_table(directory / "contamination.parquet", matched)
    write_table(directory / "accepted.parquet", kept)
    return ContaminationSummary(
        num_samples=len(ids),
        num_contaminated=len(ids) - len(kept),
        num_accepted=len(kept),
        num_images_by_benchmark={name: _num_images(matched, name) for name in benchmarks},
        num_samples_by_benchmark={name: _num_samples(matched, name, samples) for name in benchmarks},
    )


def _images_of_samples(dataset: Manifest) -> pa.Table:
    """A row for each image of each sample, and one without an image for a text-only one."""
    with pq.ParquetFile(dataset.path("samples.parquet")) as file:  # older ones have no further images
        table = file.read(columns=["sample_id", "image", FURTHER_IMAGES])
    samples = table.select(["sample_id", "image"])
    if FURTHER_IMAGES not in table.column_names:
        return samples
    lists = table[FURTHER_IMAGES].combine_chunks()
    names = table["sample_id"].take(pc.list_parent_indices(lists))
    further = pa.table({"sample_id": names, "image": pc.struct_field(lists.flatten(), "image")})
    return pa.concat_tables([samples, further.cast(samples.schema)])


def _num_images(found: pa.Table, benchmark: str) -> dict[str, int]:
    """Training images by how they were matched, and by any of the ways."""
    of_benchmark = found.filter(pc.field("benchmark") == benchmark)
    counts = {
        check: pc.count_distinct(of_benchmark.filter(pc.field("matched_by") == check)["image"]).as_py()
        for check in sql_files("checks/contamination")
    }
    return {**counts, "any": pc.count_distinct(of_benchmark["image"]).as_py()}


def _num_samples(found: pa.Table, benchmark: str, samples: pa.Table) -> int:
    images = found.filter(pc.field("benchmark") == benchmark)["image"]
    shown = samples.filter(pc.is_in(samples["image"], value_set=images))
    return int(pc.count_distinct(shown["sample_id"]).as_py())
