"""The images of samples: each gets the hash of its bytes, and all of a sample's are known together.

``samples.parquet`` holds the first image of a sample in columns of its own, and those behind it in ``further_images``,
which tables of before there were several do not have.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.core.parquet import ROWS_PER_GROUP, table_writer
from pipeline.data.image_table import FURTHER_IMAGES
from pipeline.data.placeholders import with_one_placeholder
from pipeline.data.samples import FINDING_SCHEMA, IMAGE_TYPE, SAMPLE_SCHEMA, Finding


def link(samples: pa.Table, images: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Samples with the hashes of their images, and a finding for each of those of which an image cannot be used."""
    rows, places = _places(samples, images)
    is_bad = pc.not_equal(images["status"], "ok").to_numpy()[places]
    bad: dict[int, list[int]] = {}
    for row, place in zip(rows[is_bad].tolist(), places[is_bad].tolist(), strict=True):
        bad.setdefault(row, []).append(place)
    findings = [_finding(samples.slice(row, 1), images.take(bad[row])).row() for row in sorted(bad)]
    is_usable = np.ones(len(samples), dtype=bool)
    is_usable[list(bad)] = False
    linked = _with_hashes(samples, images).filter(pa.array(is_usable))
    return linked, pa.Table.from_pylist(findings, schema=FINDING_SCHEMA)


def images_of(row: Mapping[str, Any]) -> list[str]:
    """The hashes of all images of a sample or item, in order, whichever version wrote its table."""
    first = [] if row["image_sha256"] is None else [row["image_sha256"]]
    return first + [image["image_sha256"] for image in row.get(FURTHER_IMAGES) or ()]


def names_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The paths of all images of a sample, in order, whichever version wrote its table."""
    first = () if row["image"] is None else (row["image"],)
    return (*first, *(image["image"] for image in row.get(FURTHER_IMAGES) or ()))


@contextmanager
def shown_as_one_image(samples_file: Path) -> Iterator[Path]:
    """The samples as the translation checks read them, which know one image that opens the first question.

    Several images are such a one, unless a turn has another number of placeholders than its original: that is for a
    check to say. Without several images it is the file itself.
    """
    with pq.ParquetFile(samples_file) as file:
        further = file.read(columns=[FURTHER_IMAGES])
        if not further.num_columns or not pc.sum(pc.list_value_length(further[FURTHER_IMAGES])).as_py():
            yield samples_file
            return
        with TemporaryDirectory(prefix="llava-jp-samples-") as folder:
            path = Path(folder) / samples_file.name
            with table_writer(path, SAMPLE_SCHEMA) as writer:
                for batch in file.iter_batches(batch_size=ROWS_PER_GROUP):
                    rows = [_as_one_image(row) if row[FURTHER_IMAGES] else row for row in batch.to_pylist()]
                    writer.write_table(pa.Table.from_pylist(rows, schema=SAMPLE_SCHEMA))
            yield path


def _as_one_image(row: dict[str, Any]) -> dict[str, Any]:
    sha256 = hashlib.sha256(" ".join(map(str, images_of(row))).encode()).hexdigest()
    return {
        **row,
        "image": " ".join(names_of(row)),
        "image_sha256": sha256,
        FURTHER_IMAGES: [],
        "turns": with_one_placeholder(row["turns"]),
    }


def _places(samples: pa.Table, images: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every image of every sample, a sample's first one first: the sample's row, and the image's."""
    first = pc.index_in(samples["image"], value_set=images["image"])
    rows = np.flatnonzero(pc.is_valid(first).to_numpy())
    further, parents = _further(samples)
    places = pc.index_in(pc.struct_field(further, "image"), value_set=images["image"])
    return (
        np.concatenate([rows, parents]).astype(np.int64),
        np.concatenate([first.drop_null().to_numpy(), places.to_numpy(zero_copy_only=False)]).astype(np.int64),
    )


def _further(samples: pa.Table) -> tuple[pa.StructArray, NDArray[np.int64]]:
    """The images behind the first ones, and the rows of their samples."""
    column = samples[FURTHER_IMAGES].combine_chunks()
    return column.flatten(), pc.list_parent_indices(column).to_numpy()


def _with_hashes(samples: pa.Table, images: pa.Table) -> pa.Table:
    hashes = images["image_sha256"].take(pc.index_in(samples["image"], value_set=images["image"]))
    place = SAMPLE_SCHEMA.get_field_index("image_sha256")
    samples = samples.set_column(place, SAMPLE_SCHEMA.field(place), hashes)
    further, _ = _further(samples)
    if not len(further):
        return samples
    hashes = (
        images["image_sha256"].combine_chunks().take(pc.index_in(further.field("image"), value_set=images["image"]))
    )
    fields = [hashes if one.name == "image_sha256" else further.field(one.name) for one in IMAGE_TYPE]
    ends = np.cumsum([0, *pc.list_value_length(samples[FURTHER_IMAGES]).to_pylist()], dtype=np.int32)
    place = SAMPLE_SCHEMA.get_field_index(FURTHER_IMAGES)
    lists = pa.ListArray.from_arrays(
        pa.array(ends),
        pa.StructArray.from_arrays(fields, fields=list(IMAGE_TYPE)),
        type=SAMPLE_SCHEMA.field(place).type,
    )
    return samples.set_column(place, SAMPLE_SCHEMA.field(place), lists)


def _finding(sample: pa.Table, images: pa.Table) -> Finding:
    """Why a sample cannot be used: all of its images that cannot."""
    ((sample_id, record_index),) = zip(sample["sample_id"].to_pylist(), sample["record_index"].to_pylist(), strict=True)
    bad = images.to_pylist()
    evidence = "; ".join(f"{image['image']}: {image['reason']}" for image in bad)
    return Finding(f"image_{bad[0]['status']}", sample_id, record_index, evidence)
