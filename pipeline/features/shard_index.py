"""The index of a feature shard: what is known of every image of it. Read without torch and without the payload."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

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


def read_rows(index: Path, columns: list[str], *, status: str) -> pa.Table:
    """Some columns of the rows of a shard's index that have a status."""
    table = pq.ParquetFile(index).read(columns=[*columns, "status"])
    return table.filter(pc.equal(table["status"], status)).select(columns)
