"""What it costs to look before believing: reading rates with and without checksums.

``python -m tests.benchmarks.bench_checksums [--gigabytes 1]`` writes a table of texts and one of images and reads each,
from the page cache, in the ways that the pipeline does. Medians of three.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.hashing import sha256_of_file
from pipeline.core.parquet import groups, table_writer, write_rows
from pipeline.data.image_reader import ImageReader
from pipeline.data.image_table import IMAGES_PER_GROUP
from pipeline.data.images import IMAGE_SCHEMA
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest, Request
from tests.benchmarks.machine import machine_line
from tests.support.small_data import sha256_of

ROUNDS = 3
IMAGE_BYTES = 50_000
TEXT_SCHEMA = pa.schema([("sample_id", pa.string()), ("text", pa.string())])


def images(num_bytes: int) -> Iterator[dict[str, Any]]:
    chance = random.Random(0)
    for number in range(num_bytes // IMAGE_BYTES):
        content = chance.randbytes(IMAGE_BYTES)
        row = {"image": str(number), "image_sha256": sha256_of(content), "bytes": content, "status": "ok"}
        yield dict.fromkeys(IMAGE_SCHEMA.names) | row


def texts(num_bytes: int) -> Iterator[dict[str, Any]]:
    """Texts of 400 bytes, which zstd makes to about half; ``num_bytes`` is before that."""
    chance = random.Random(0)
    for number in range(num_bytes // 400):
        yield {"sample_id": str(number), "text": chance.randbytes(200).hex()}


def seconds(ways: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """The median of some rounds, in each of which every way has its turn; the first round is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(1 + ROUNDS):
        for name, work in ways.items():
            start = time.perf_counter()
            work()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(times[1:]) for name, times in taken.items()}


def read_images(manifest: Manifest) -> None:
    reader = ImageReader([manifest])
    for key in pq.read_table(manifest.directory / "images.parquet", columns=["image_sha256"])["image_sha256"]:
        reader.read(key.as_py())  # in the order of the table, as most readers do


def read_groups(path: Path) -> None:
    """Images as they were read before there were checksums: the file is opened for each group."""
    for group in range(pq.read_metadata(path).num_row_groups):
        pq.ParquetFile(path).read_row_group(group, columns=["image_sha256", "bytes"]).to_pylist()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench_checksums")
    parser.add_argument("--gigabytes", type=float, default=1.0)
    size = int(parser.parse_args().gigabytes * 1e9)
    with TemporaryDirectory(prefix="bench-") as folder:

        def work(directory: Path) -> dict[str, Any]:
            with table_writer(directory / "images.parquet", IMAGE_SCHEMA) as writer:
                for group in groups(images(size), IMAGES_PER_GROUP):
                    writer.write_table(pa.Table.from_pylist(group, schema=IMAGE_SCHEMA))
            write_rows(directory / "texts.parquet", texts(size), schema=TEXT_SCHEMA)
            return {}

        made = ArtifactStore(Path(folder)).produce(Request(step="dataset", version=1, config={}), work)
        sizes = {file.path: file.num_bytes / 1e6 for file in made.files}
        print(f"{machine_line()}; {', '.join(f'{name} {size:.0f} MB' for name, size in sizes.items())}")
        for name, megabytes in sizes.items():
            path = made.directory / name
            ways: dict[str, Callable[[], Any]] = {
                "read": lambda path=path: pq.read_table(path),
                "read, checksums of pages": lambda path=path: pq.read_table(path, page_checksum_verification=True),
                "sha256 of the file": lambda path=path: sha256_of_file(path),
            }
            if name == "images.parquet":
                ways["images in order, as before"] = lambda path=path: read_groups(path)
                ways["images in order, checksums of pages and images"] = lambda: read_images(made)
            for way, median in seconds(ways).items():
                print(f"| {name} | {way} | {megabytes / median:,.0f} MB/s |")


if __name__ == "__main__":
    main()
