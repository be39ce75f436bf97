"""Which of the pictures that are alike by their hashes are the same picture: their grey levels and colours decide."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.core.parquet import write_rows
from pipeline.core.tables import row_of
from pipeline.data.image_reader import ImageReader
from pipeline.data.image_table import SIGNATURES_FILE
from pipeline.data.images import decode
from pipeline.data.picture_signatures import SIGNATURE_SCHEMA, have_other_colours, likeness, signatures_of
from pipeline.store.manifest import Manifest
from pipeline.store.queries import Pictures

SAME_LEVELS = 0.85
"""Likeness from which on grey levels are those of one picture: changed photos have 0.9 and more."""


def pictures_of(dataset: Manifest, work: Path) -> Pictures:
    """A dataset with its signatures; those of a dataset of an earlier version are made, into a folder."""
    if SIGNATURES_FILE in {file.path for file in dataset.files}:
        return Pictures(dataset.directory, dataset.path(SIGNATURES_FILE))
    file = work / f"{dataset.fingerprint}.parquet"
    images = pq.read_table(dataset.path("images.parquet"), columns=["image_sha256", "perceptual_hash"])
    compared = images.filter(pc.is_valid(images["perceptual_hash"]))["image_sha256"].unique().to_pylist()
    reader = ImageReader([dataset])
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda key: signatures_of(key, decode(reader.read(key))), compared)
        rows = (row_of(signature) for signatures in found for signature in signatures)
        write_rows(file, rows, schema=SIGNATURE_SCHEMA)
    return Pictures(dataset.directory, file)


def same_pictures(alike: pa.Table) -> pa.Table:
    """The pairs of images that show the same picture, each once, with the smallest distance."""
    best: dict[tuple[str, str, str], int] = {}
    for batch in alike.to_batches():
        for row in batch.to_pylist():
            pair, distance = (row["image"], row["benchmark"], row["benchmark_image"]), row["distance"]
            is_mirrored = row["is_mirrored"]
            if distance >= best.get(pair, 65) or have_other_colours(
                row["colours"], row["other_colours"], is_mirrored=is_mirrored
            ):
                continue
            alike_by = likeness(row["levels"], row["other_levels"], window=row["window"], is_mirrored=is_mirrored)
            if alike_by >= SAME_LEVELS:
                best[pair] = distance
    rows = [
        {"image": image, "benchmark": benchmark, "benchmark_image": other, "distance": distance}
        for (image, benchmark, other), distance in best.items()
    ]
    return pa.Table.from_pylist(rows, schema=alike.select(["image", "benchmark", "benchmark_image", "distance"]).schema)
