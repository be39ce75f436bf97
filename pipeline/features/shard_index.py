"""The index of a feature shard: what is known of every image of it. Read without torch and without the payload."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.core.errors import StoreError
from pipeline.store.artifacts import read_manifest

FEATURES_FILE = "features.parquet"
INDEX_FILE = "index.parquet"

INDEX_SCHEMA = pa.schema(
    [
        pa.field("image_sha256", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("source_width", pa.int32()),
        pa.field("source_height", pa.int32()),
        pa.field("row", pa.int32()),
        pa.field("offsets", pa.list_(pa.int64())),
        pa.field("num_bytes", pa.list_(pa.int64())),
        pa.field("checksums", pa.list_(pa.uint64())),
        pa.field("mean_norms", pa.list_(pa.float32())),
        pa.field("max_norms", pa.list_(pa.float32())),
        pa.field("is_finite", pa.bool_()),
    ]
)
"""Lists have an item for each S2 scale. A failed image has a status, a reason and nothing else."""


def read_rows(shard: Path, columns: list[str], *, status: str | None = None) -> pa.Table:
    """Some columns of a shard's index, of all images or those with a status; the schema's metadata describe the shard.

    Raises:
        StoreError: the index or the manifest is not there, or not as it was published.
    """
    table = _published_table(shard, columns if status is None else [*columns, "status"])
    return table if status is None else table.filter(pc.equal(table["status"], status)).select(columns)


def _published_table(shard: Path, columns: list[str]) -> pa.Table:
    try:
        content = (shard / INDEX_FILE).read_bytes()
        expected = [file.sha256 for file in read_manifest(shard).files if file.path == INDEX_FILE]
        if [hashlib.sha256(content).hexdigest()] != expected:
            raise unreadable(shard / INDEX_FILE, "it is not as it was published")
        return pq.ParquetFile(pa.BufferReader(content)).read(columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(shard / INDEX_FILE, error) from error


def unreadable(path: Path, reason: object) -> StoreError:
    """A file of a shard that is lost or damaged, and what to do."""
    return StoreError(
        f"{path} cannot be read: {reason}. Run `llava-jp discard {path.parent.name}` if the shard is there, "
        "then the experiment again: it encodes this shard anew"
    )
