"""Feature shards on disk: ordinary Parquet files whose payload rows can be read with one ``pread``.

A shard is an artifact of its own, made once for an encoder and a list of images:

    features.parquet  image_sha256 and a payload column for each S2 scale, such as ``features_768``
    index.parquet     one row for every image of the list: where its payloads lie, their checksums, what is known of it

The payload columns are fixed-length, non-nullable, PLAIN, one row a page, so that a page's CRC is a checksum of the row
and a row lies in the file as it is (``exact-zstd``: as one compressed block). See ``pipeline.features.storage``.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import xxhash

from pipeline.core.files import appearing
from pipeline.core.parquet import write_rows
from pipeline.features.parquet_pages import RowPlace, row_places
from pipeline.features.shard_index import FEATURES_FILE, INDEX_FILE, INDEX_SCHEMA
from pipeline.features.storage import FeatureShape
from pipeline.features.summaries import ShardCounts

ROWS_PER_GROUP = 64
ZSTD_LEVEL = 1


@dataclass(frozen=True, slots=True)
class FailedImage:
    """An image that could not be decoded, and why."""

    image_sha256: str
    reason: str


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """Some images of a shard with their payloads, on the CPU."""

    keys: tuple[str, ...]
    source_sizes: tuple[tuple[int, int], ...]
    """Width and height of each image, in pixels."""
    payloads_BSP: torch.Tensor
    mean_norms_BS: torch.Tensor
    max_norms_BS: torch.Tensor
    is_finite_B: torch.Tensor
    failures: tuple[FailedImage, ...] = ()


def write_shard(
    directory: Path,
    batches: Iterable[EncodedImages],
    *,
    shape: FeatureShape,
    encoder: dict[str, Any],
    channel_rms_SV: torch.Tensor | None,
) -> ShardCounts:
    """Write both files of a shard; each appears under its name only when it is complete. Returns counts."""
    path = directory / FEATURES_FILE
    metadata = _metadata(shape, encoder, channel_rms_SV)
    schema = _schema(shape, metadata)
    with appearing(path, is_flushed=False) as unfinished:  # the publication does it while the next shard is written
        rows, failures = _write_payloads(unfinished, batches, shape, schema)
        places = [row_places(unfinished, column=column, row_bytes=shape.payload_bytes) for column in shape.columns]
    indexed = [_placed(row, number, places) for number, row in enumerate(rows)]
    indexed += [
        {"image_sha256": failed.image_sha256, "status": "failed", "reason": failed.reason} for failed in failures
    ]
    write_rows(directory / INDEX_FILE, indexed, schema=INDEX_SCHEMA.with_metadata(metadata))
    return ShardCounts(
        num_images=len(rows),
        num_failed=len(failures),
        num_not_finite=sum(not row["is_finite"] for row in rows),
        payload_bytes=_sum_bytes(indexed),
    )


def _write_payloads(
    path: Path, batches: Iterable[EncodedImages], shape: FeatureShape, schema: pa.Schema
) -> tuple[list[dict[str, Any]], list[FailedImage]]:
    """Write the features; returns the index rows of the images in order, and those that could not be encoded."""
    rows: list[dict[str, Any]] = []
    failures: list[FailedImage] = []
    with pq.ParquetWriter(path, schema, **_options(shape)) as writer:
        waiting: list[EncodedImages] = []
        for batch in batches:
            failures += batch.failures
            rows += _index_rows(batch)
            waiting.append(batch)
            while sum(len(part.keys) for part in waiting) >= ROWS_PER_GROUP:
                group, waiting = _cut(waiting, ROWS_PER_GROUP)
                writer.write_table(_table(group, shape, schema))
        if any(part.keys for part in waiting):
            writer.write_table(_table(waiting, shape, schema))
    return rows, failures


def _metadata(shape: FeatureShape, encoder: dict[str, Any], channel_rms_SV: torch.Tensor | None) -> dict[str, str]:
    """What both files say of what they hold and how it was made."""
    metadata = {"feature_shape": json.dumps(shape.to_json()), "encoder": json.dumps(encoder, sort_keys=True)}
    if channel_rms_SV is not None:
        metadata["channel_rms"] = base64.b64encode(channel_rms_SV.float().numpy().tobytes()).decode()
    return metadata


def _schema(shape: FeatureShape, metadata: dict[str, str]) -> pa.Schema:
    payloads = [pa.field(column, pa.binary(shape.payload_bytes), nullable=False) for column in shape.columns]
    return pa.schema([pa.field("image_sha256", pa.string(), nullable=False), *payloads], metadata=metadata)


def described(index: pa.Table) -> tuple[FeatureShape, torch.Tensor | None]:
    """What the payloads of a shard hold, and the channel RMS ``[S, V]`` that ``int8`` was divided by."""
    metadata = index.schema.metadata
    shape = FeatureShape.from_json(json.loads(metadata[b"feature_shape"]))
    stored = metadata.get(b"channel_rms")
    if stored is None:
        return shape, None
    return shape, torch.frombuffer(bytearray(base64.b64decode(stored)), dtype=torch.float32).reshape(-1, shape.width)


def _options(shape: FeatureShape) -> dict[str, Any]:
    compressed = shape.form == "exact-zstd"
    return {
        "compression": {"image_sha256": "none"} | dict.fromkeys(shape.columns, "zstd" if compressed else "none"),
        "compression_level": dict.fromkeys(shape.columns, ZSTD_LEVEL) if compressed else None,
        "use_dictionary": False,
        "write_statistics": ["image_sha256"],
        "write_batch_size": 1,
        "data_page_size": min(shape.payload_bytes, 2**31 - 1),  # one row a page
        "write_page_checksum": True,
    }


def _table(batches: Sequence[EncodedImages], shape: FeatureShape, schema: pa.Schema) -> pa.Table:
    keys = [key for batch in batches for key in batch.keys]
    arrays: list[pa.Array] = [pa.array(keys, pa.string())]
    for scale in range(shape.num_scales):
        payloads = torch.cat([batch.payloads_BSP[:, scale] for batch in batches]).numpy()
        arrays.append(
            pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(shape.payload_bytes), len(keys), [None, pa.py_buffer(payloads)]
            )
        )
    return pa.Table.from_arrays(arrays, schema=schema)


def _cut(batches: list[EncodedImages], count: int) -> tuple[list[EncodedImages], list[EncodedImages]]:
    """The first ``count`` images, and the rest."""
    taken: list[EncodedImages] = []
    rest = list(batches)
    while count:
        batch = rest.pop(0)
        size = min(count, len(batch.keys))
        taken.append(_part(batch, slice(0, size)))
        if size < len(batch.keys):
            rest.insert(0, _part(batch, slice(size, None)))
        count -= size
    return taken, rest


def _part(batch: EncodedImages, part: slice) -> EncodedImages:
    return EncodedImages(
        keys=batch.keys[part],
        source_sizes=batch.source_sizes[part],
        payloads_BSP=batch.payloads_BSP[part],
        mean_norms_BS=batch.mean_norms_BS[part],
        max_norms_BS=batch.max_norms_BS[part],
        is_finite_B=batch.is_finite_B[part],
    )


def _index_rows(batch: EncodedImages) -> list[dict[str, Any]]:
    payloads = batch.payloads_BSP.numpy()
    return [
        {
            "image_sha256": key,
            "status": "ok",
            "source_width": batch.source_sizes[number][0],
            "source_height": batch.source_sizes[number][1],
            "checksums": [checksum_of(payload) for payload in payloads[number]],
            "mean_norms": batch.mean_norms_BS[number].tolist(),
            "max_norms": batch.max_norms_BS[number].tolist(),
            "is_finite": bool(batch.is_finite_B[number]),
        }
        for number, key in enumerate(batch.keys)
    ]


def checksum_of(payload: np.ndarray[Any, np.dtype[np.uint8]]) -> int:
    """XXH3 with 64 bits of a payload before Parquet compresses it."""
    return xxhash.xxh3_64_intdigest(payload.data)


def _placed(row: dict[str, Any], number: int, places: Sequence[Sequence[RowPlace]]) -> dict[str, Any]:
    own = [column[number] for column in places]
    return {
        **row,
        "row": number,
        "offsets": [place.offset for place in own],
        "num_bytes": [place.num_bytes for place in own],
    }


def _sum_bytes(indexed: Sequence[dict[str, Any]]) -> int:
    return sum(sum(row.get("num_bytes", ())) for row in indexed)
