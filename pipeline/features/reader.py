"""Reads cached features: any image by its sha256, several requests in flight, every byte checked."""

import os
import re
import resource
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from pipeline.core.errors import DataError, StoreError
from pipeline.core.wording import first_few
from pipeline.features.cache import IMAGES_FILE
from pipeline.features.shard_index import FEATURES_FILE, read_rows, unreadable
from pipeline.features.shards import checksum_of, described
from pipeline.features.storage import FeatureShape, unpack
from pipeline.store.artifacts import read_manifest
from pipeline.store.manifest import Manifest

Check = Literal["first", "always", "never"]
"""When a row's checksum is compared: the first time this reader reads it, every time, never."""

SHA256 = re.compile("[0-9a-f]{64}")
SPARE_DESCRIPTORS = 256
"""Open files that are left to everybody else in the process."""


class FeatureReader:
    """Reads the features of a ``features`` artifact. Safe to share between threads.

    Args:
        directory: the artifact, in its store.
        check: when a row's checksum is compared.
        num_threads: reads in flight.
        shards: fingerprints of the only shards to open; None: all.
    """

    def __init__(
        self, directory: Path, *, check: Check = "first", num_threads: int = 4, shards: Collection[str] | None = None
    ) -> None:
        self.directory = directory
        self._check = check
        parts = [directory.parents[1] / part for part in read_manifest(directory).parts]
        self._shards = [part for part in parts if shards is None or part.name in shards]
        self._num_threads = num_threads
        self._start_threads()
        tables = list(self._pool.map(read_index, self._shards))
        self.shape, self.channel_rms = _common_description(self._shards, tables)
        self._index = _Index(tables)
        if shards is None:
            self._require_published(directory)
        self._is_checked = np.zeros(len(self._index.keys), dtype=bool)
        self._descriptors: dict[int, int] = {}
        self._max_open = _raise_open_file_limit() - SPARE_DESCRIPTORS

    def _start_threads(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(self._num_threads, thread_name_prefix="features")

    def _require_published(self, directory: Path) -> None:
        """Every image that the artifact says has features is in a shard: none goes missing unnoticed."""
        if not (directory / IMAGES_FILE).exists():
            return
        table = pq.read_table(directory / IMAGES_FILE, columns=["image_sha256"], filters=[("status", "=", "ok")])
        if lost := [key for key in table["image_sha256"].to_pylist() if self._index.find(key) is None]:
            raise StoreError(
                f"{len(lost)} images of {directory} are not in its shards, such as {lost[0]}; "
                f"run `llava-jp discard {directory.name}`, then the experiment again"
            )

    def __contains__(self, image_sha256: str) -> bool:
        return self._index.find(image_sha256) is not None

    def __len__(self) -> int:
        """Images with cached features."""
        return len(self._index.keys)

    def read(self, image_sha256: str) -> torch.Tensor:
        """One image's features, ``[S, T, V]``: S2 scales, vision tokens, channels.

        Raises:
            DataError: the image has no cached features.
            StoreError: the stored bytes are damaged.
        """
        loaded = self.load([image_sha256])
        assert self.shape is not None
        return unpack(loaded, self.shape, self.channel_rms)[0]

    def load(self, keys: Sequence[str], out: torch.Tensor | None = None) -> torch.Tensor:
        """The payloads of some images as they are stored, uint8 ``[B, S, P]``, read by several threads.

        Pinned where there is a GPU, so that the copy to it runs beside the computation. ``out``: a tensor to fill.

        Raises:
            DataError: an image has no cached features.
            StoreError: the stored bytes are damaged; the message names the shard.
        """
        if self.shape is None:
            raise DataError(f"{self.directory} holds no features")
        rows = [self._row(key) for key in keys]
        if out is None:
            size = (len(rows), self.shape.num_scales, self.shape.payload_bytes)
            out = torch.empty(size, dtype=torch.uint8, pin_memory=torch.cuda.is_available())
        payloads = out.numpy()
        if os.getpid() != self._process:  # threads do not follow into a forked process
            self._start_threads()
        if len(rows) == 1:
            self._read_row(rows[0], payloads[0])
        else:
            list(self._pool.map(self._read_row, rows, payloads))
        return out

    def _row(self, key: str) -> int:
        row = self._index.find(key)
        if row is None:
            raise DataError(f"no cached features for image {key}; `llava-jp query cache_coverage` shows what is there")
        return row

    def _read_row(self, row: int, out_SP: npt.NDArray[np.uint8]) -> None:
        """All scales of one image."""
        assert self.shape is not None
        shard = int(self._index.shards[row])
        descriptor, is_kept = self._open(shard)
        try:
            for scale, payload in enumerate(out_SP):
                offset, size = (int(places[row, scale]) for places in (self._index.offsets, self._index.num_bytes))
                is_due = self._check == "always" or (self._check == "first" and not self._is_checked[row])
                expected = int(self._index.checksums[row, scale]) if is_due else None
                if problem := read_payload(descriptor, self.shape, offset, size, payload, checksum=expected):
                    raise self._damaged(shard, row, f"at {self.shape.sides[scale]} px {problem}")
            self._is_checked[row] = self._check != "never"
        finally:
            if not is_kept:
                os.close(descriptor)

    def _damaged(self, shard: int, row: int, reason: str) -> StoreError:
        folder, image = self._shards[shard], self._index.keys[row].tobytes().hex()
        return StoreError(
            f"{folder / FEATURES_FILE}: the features of image {image} are damaged: {reason}. "
            f"Run `llava-jp discard {folder.name}`, then the experiment again: it encodes this shard anew"
        )

    def _open(self, shard: int) -> tuple[int, bool]:
        """A descriptor of a shard, and whether it stays open. Beyond the limit every read opens the file again."""
        with self._lock:
            if shard in self._descriptors:
                return self._descriptors[shard], True
        path = self._shards[shard] / FEATURES_FILE
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise unreadable(path, error.strerror) from error
        with self._lock:
            if shard not in self._descriptors and len(self._descriptors) < self._max_open:
                self._descriptors[shard] = descriptor
                return descriptor, True
        return descriptor, False

    def close(self) -> None:
        self._pool.shutdown()
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_payload(
    descriptor: int,
    shape: FeatureShape,
    offset: int,
    num_bytes: int,
    payload: npt.NDArray[np.uint8],
    *,
    checksum: int | None,
) -> str | None:
    """Read one payload; what is wrong with it, or None. Without a ``checksum`` only what cannot be read is wrong."""
    if shape.form == "exact-zstd":
        stored = os.pread(descriptor, num_bytes, offset)
        try:
            plain = pa.Codec("zstd").decompress(stored, decompressed_size=len(payload))
        except (OSError, pa.ArrowException) as error:
            return f"they cannot be decompressed ({error})"
        payload[:] = np.frombuffer(plain, dtype=np.uint8)
    elif os.preadv(descriptor, [payload.data], offset) != num_bytes:
        return "the file ends too early"
    if checksum is not None and checksum_of(payload) != checksum:
        return "the checksum differs"
    return None


class _Index:
    """The places of all images, in arrays sorted by key: 70 bytes an image with two scales."""

    def __init__(self, tables: Sequence[pa.Table]) -> None:
        keys = [bytes.fromhex("".join(table["image_sha256"].to_pylist())) for table in tables]
        shards = np.repeat(np.arange(len(tables), dtype=np.int32), [len(table) for table in tables])
        found = np.frombuffer(b"".join(keys), dtype="V32")
        _, first = np.unique(found.view("S32"), return_index=True)  # sorted; an image in two shards is read from one
        self.keys = found[first]
        self._sorted = self.keys.view("S32")
        self.shards = shards[first]
        self.offsets = _lists(tables, "offsets")[first]
        self.num_bytes = _lists(tables, "num_bytes")[first]
        self.checksums = _lists(tables, "checksums")[first]

    def find(self, image_sha256: str) -> int | None:
        """The row of an image, or None."""
        if not SHA256.fullmatch(image_sha256):
            return None
        key = np.frombuffer(bytes.fromhex(image_sha256), dtype="S32")
        row = int(np.searchsorted(self._sorted, key)[0])
        return row if row < len(self.keys) and self._sorted[row] == key[0] else None


def _lists(tables: Sequence[pa.Table], column: str) -> npt.NDArray[Any]:
    """A list column of all tables as an array with a row for each image."""
    if not any(len(table) for table in tables):
        return np.zeros((0, 1), dtype=np.int64)
    values = [table[column].combine_chunks().flatten().to_numpy() for table in tables if len(table)]
    num_rows = sum(len(table) for table in tables)
    return np.concatenate(values).reshape(num_rows, -1)


def read_index(shard: Path) -> pa.Table:
    """The places and checksums of a shard's images that have features.

    Raises:
        StoreError: the index is not there, or not as it was published.
    """
    return read_rows(shard, ["image_sha256", "offsets", "num_bytes", "checksums"], status="ok")


def _common_description(
    shards: Sequence[Path], tables: Sequence[pa.Table]
) -> tuple[FeatureShape | None, torch.Tensor | None]:
    """What all shards hold."""
    first: tuple[FeatureShape | None, torch.Tensor | None] = (None, None)
    for shard, table in zip(shards, tables, strict=True):
        shape, rms = described(table)
        if first[0] is None:
            first = shape, rms
        same_rms = torch.equal(first[1], rms) if first[1] is not None and rms is not None else first[1] is rms
        if shape != first[0] or not same_rms:
            raise StoreError(
                f"{shard} holds features of another shape or calibration than the shards before it: {shape}, {first[0]}"
            )
    return first


def _raise_open_file_limit() -> int:
    """Let this process open as many files as it may: a full cache has thousands of shards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard or hard == resource.RLIM_INFINITY:
        return soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def shard_advice(shard: Manifest) -> str:
    """A sentence on a shard with wrong bytes: its damaged images, if its index can still be read, and what to do."""
    again = (
        f"`llava-jp discard {shard.fingerprint}` and the next run of an experiment that uses it encode this shard "
        "again, and no other"
    )
    try:
        keys = damaged_images(shard)
    except (OSError, StoreError):
        return f"{shard.address}: its images cannot be told apart any more; {again}"
    if not keys:
        return f"{shard.address}: no image's features are damaged; {again}"
    return f"{shard.address}: the features of {len(keys)} images are damaged ({first_few(keys, 3)}); {again}"


def damaged_images(shard: Manifest) -> list[str]:
    """The images of a shard whose payloads do not have their checksums any more."""
    index = read_index(shard.directory)
    shape, _ = described(index)
    payload = np.empty(shape.payload_bytes, dtype=np.uint8)
    descriptor = os.open(shard.directory / FEATURES_FILE, os.O_RDONLY)
    try:
        return [
            row["image_sha256"]
            for row in index.to_pylist()
            if any(
                read_payload(descriptor, shape, offset, num_bytes, payload, checksum=checksum)
                for offset, num_bytes, checksum in zip(row["offsets"], row["num_bytes"], row["checksums"], strict=True)
            )
        ]
    finally:
        os.close(descriptor)
