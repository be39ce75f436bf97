"""JIC-VQA: what flower, food, landmark or facility a photo shows; the photos are fetched from their addresses."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.benchmarks.benchmark import NOT_FETCHED, Benchmark, Pair
from pipeline.benchmarks.eval_mm import EVAL_MM, eval_mm_protocol, record
from pipeline.benchmarks.fetched_images import fetch_images, image_file
from pipeline.benchmarks.rows import records_of, text_rows, unusable
from pipeline.store.sources import DatasetFile, PublishedDataset, Source, SourceFile

COLUMNS = ("id", "url", "category", "question")
DOMAINS = {"花": "jaflower30", "食べ物": "jafood101", "ランドマーク": "jalandmark10", "施設": "jafacility20"}
"""By a word of the question, of which the first counts: a question about food that says 花 is one about flowers."""


def read(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """One record for each line whose photo can be had; of the others one that says why not."""
    rows = list(text_rows(files, columns=COLUMNS, separator=","))
    failed = fetch_images((row["url"] for row in rows), folder=images)
    return records_of(rows, partial(_records, failed=failed, folder=images))


def domain_of(question: str) -> str | None:
    """The part of the data set that a question comes from."""
    return next((domain for word, domain in DOMAINS.items() if word in question), None)


def _records(
    index: int, row: dict[str, Any], *, failed: Mapping[str, str], folder: Path
) -> Iterator[tuple[dict[str, Any], tuple[bytes, ...]]]:
    id, url = str(int(row["id"])), row["url"]
    if url in failed:
        yield unusable(id, NOT_FETCHED, f"{url}: {failed[url]}"), ()
        return
    domain = domain_of(row["question"])
    photo = {"bytes": image_file(url, folder).read_bytes(), "path": "photo.jpg"}
    yield record(id, row["question"], row["category"], images=[photo], category=domain, scoring={"domain": domain})


FILES = "**.csv"
BENCHMARK = Benchmark(
    protocols={
        EVAL_MM: eval_mm_protocol(
            7_650,
            "all questions whose photo can be fetched",
            is_exact=False,
            metrics=("jic-vqa",),
        ),
    },
    metrics=("jic-vqa",),
    sources=(
        Source(
            name="jic-vqa",
            what="7,650 questions on photos, which are fetched from their addresses (7,650 files more)",
            kind="hub_dataset",
            repo="line-corporation/JIC-VQA",
            files=(SourceFile(name=FILES, approximate_bytes=2_000_000),),
            licence="Apache 2.0 for the questions; each photo has its own",
            citation="LY Corporation, JIC-VQA; recruit-jp/japanese-image-classification-evaluation-dataset (CC BY 4.0)",
            note="no commit is known, so it is pinned at the first fetch; photos that cannot be fetched are left out",
        ),
    ),
    dataset=PublishedDataset(
        name="jic-vqa",
        annotations=DatasetFile(source="jic-vqa", file=FILES),
        image_folder="photos",
        num_records=7_650,
        num_images=7_650,
    ),
    read=read,
    loses_images=True,
)
