"""Says which images of a damaged feature shard are affected, and how to make it again."""

import os

import numpy as np

from pipeline.errors import StoreError
from pipeline.features.reader import read_index, read_payload
from pipeline.features.shard_index import FEATURES_FILE
from pipeline.features.shards import described
from pipeline.manifest import Manifest


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
    some = ", ".join(keys[:3]) + (", …" if len(keys) > 3 else "")
    return f"{shard.address}: the features of {len(keys)} images are damaged ({some}); {again}"


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
