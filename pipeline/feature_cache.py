"""Cached features on disk: Parquet shards that anyone can query, read row by row with ``pread``.

A row is one image, keyed by the sha256 of its bytes. Its payload is ``[S, T, V]`` (S2 scales, vision tokens, tower
width), scale after scale, so that one scale alone is a contiguous part.
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from model.config import Dtype
from pipeline.errors import DataError, StoreError
from pipeline.parquet_pages import row_offsets
from pipeline.store import UNFINISHED_SUFFIX

ROWS_PER_GROUP = 64
PAYLOAD = "features"


@dataclass(frozen=True, slots=True)
class FeatureShape:
    """What a payload holds."""

    num_scales: int
    num_tokens: int
    width: int
    dtype: Dtype

    @property
    def row_bytes(self) -> int:
        """Bytes of one image's features."""
        return self.num_scales * self.num_tokens * self.width * (4 if self.dtype == "float32" else 2)

    def tensor(self, payload: bytearray) -> torch.Tensor:
        """The payload as ``[S, T, V]``, without a copy."""
        flat = torch.frombuffer(payload, dtype=getattr(torch, self.dtype))
        return flat.reshape(self.num_scales, self.num_tokens, self.width)


@dataclass(frozen=True, slots=True)
class FailedImage:
    """An image that could not be encoded, and why."""

    image_sha256: str
    reason: str


def shard_schema(shape: FeatureShape, failures: Sequence[FailedImage]) -> pa.Schema:
    """The schema of a shard; its metadata holds the payload's shape and the images that failed."""
    fields = [
        pa.field("image_sha256", pa.string(), nullable=False),
        pa.field("is_finite", pa.bool_(), nullable=False),
        pa.field("mean_norm", pa.float32(), nullable=False),
        pa.field(PAYLOAD, pa.binary(shape.row_bytes), nullable=False),
    ]
    described = {
        "num_scales": shape.num_scales,
        "num_tokens": shape.num_tokens,
        "width": shape.width,
        "dtype": shape.dtype,
    }
    failed = [[failure.image_sha256, failure.reason] for failure in failures]
    return pa.schema(fields, metadata={"feature_shape": json.dumps(described), "failures": json.dumps(failed)})


def write_shard(
    path: Path, images: Iterable[tuple[str, torch.Tensor]], *, shape: FeatureShape, failures: Sequence[FailedImage]
) -> None:
    """Write one shard of (sha256, ``[S, T, V]``). The file appears under its name only when it is complete."""
    table = pa.Table.from_pylist(
        [_row(sha256, tensor) for sha256, tensor in images], schema=shard_schema(shape, failures)
    )
    unfinished = path.with_name(path.name + UNFINISHED_SUFFIX)
    pq.write_table(
        table,
        unfinished,
        row_group_size=ROWS_PER_GROUP,
        compression="none",
        use_dictionary=False,
        write_statistics=["image_sha256", "is_finite", "mean_norm"],
        write_batch_size=1,
        data_page_size=shape.row_bytes,  # one row a page: its CRC is a checksum of the row
        write_page_checksum=True,
    )
    os.replace(unfinished, path)


def _row(sha256: str, tensor: torch.Tensor) -> dict[str, Any]:
    values = tensor.float()
    payload = tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return {
        "image_sha256": sha256,
        "is_finite": bool(values.isfinite().all()),
        "mean_norm": float(values.norm(dim=-1).mean()),
        PAYLOAD: payload,
    }


def shard_failures(path: Path) -> list[FailedImage]:
    """The images that failed when this shard was made."""
    stored = pq.read_schema(path).metadata[b"failures"]
    return [FailedImage(sha256, reason) for sha256, reason in json.loads(stored)]


class FeatureReader:
    """Reads any image's features by its sha256 with one system call. Safe to share between threads."""

    def __init__(self, directory: Path) -> None:
        self._places: dict[str, tuple[int, int]] = {}
        self._descriptors: list[int] = []
        self._paths: list[Path] = []
        self.shape: FeatureShape | None = None
        for path in sorted(directory.glob("shard-*.parquet")):
            self._open(path)

    def _open(self, path: Path) -> None:
        shape = FeatureShape(**json.loads(pq.read_schema(path).metadata[b"feature_shape"]))
        if self.shape not in (None, shape):
            raise StoreError(f"{path} holds features of another shape than the shards before it: {shape}, {self.shape}")
        self.shape = shape
        keys = pq.read_table(path, columns=["image_sha256"]).column(0).to_pylist()
        for key, offset in zip(keys, row_offsets(path, column=PAYLOAD, row_bytes=shape.row_bytes), strict=True):
            self._places[key] = (len(self._descriptors), offset)
        self._descriptors.append(os.open(path, os.O_RDONLY))
        self._paths.append(path)

    def __contains__(self, image_sha256: str) -> bool:
        return image_sha256 in self._places

    def __len__(self) -> int:
        return len(self._places)

    def read(self, image_sha256: str) -> torch.Tensor:
        """One image's features, ``[S, T, V]``.

        Raises:
            DataError: the image has no cached features.
            StoreError: the shard is shorter than its index says.
        """
        if self.shape is None or image_sha256 not in self._places:
            raise DataError(
                f"no cached features for image {image_sha256}; `llava-jp query cache_coverage` shows what is there"
            )
        shard, offset = self._places[image_sha256]
        payload = bytearray(self.shape.row_bytes)
        if os.preadv(self._descriptors[shard], [payload], offset) != len(payload):
            raise StoreError(f"{self._paths[shard]} ends before byte {offset + len(payload)}; run `llava-jp verify`")
        return self.shape.tensor(payload)

    def close(self) -> None:
        while self._descriptors:
            os.close(self._descriptors.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
