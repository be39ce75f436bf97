"""CC-OCR, the Japanese part of its multilingual track: 150 pictures whose text is to be read (arXiv 2412.02210)."""

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.benchmarks.benchmark import Benchmark, Pair
from pipeline.benchmarks.eval_mm import EVAL_MM, eval_mm_protocol, record
from pipeline.benchmarks.rows import records_of, text_rows
from pipeline.store.sources import DatasetFile, PublishedDataset, Source, SourceFile

FILES = "multi_lan_ocr/*/*.tsv"
COLUMNS = ("image", "question", "answer", "l2-category")
LANGUAGE = "Japanese"


def read(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """One record for each Japanese line; its id is the number among these. Images stand there as base64."""
    rows = text_rows(files, columns=COLUMNS, separator="\t")
    return records_of((row for row in rows if row["l2-category"] == LANGUAGE), _records)


def _records(index: int, row: dict[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[bytes, ...]]]:
    content = base64.b64decode(row["image"].rpartition(";base64,")[2])
    yield record(str(index), row["question"], row["answer"], images=[{"bytes": content}])


BENCHMARK = Benchmark(
    protocols={EVAL_MM: eval_mm_protocol(150, "all Japanese pictures", metrics=("cc-ocr",))},
    metrics=("cc-ocr",),
    sources=(
        Source(
            name="cc-ocr",
            what="1,500 pictures with text in ten languages, 150 of them Japanese",
            kind="hub_dataset",
            repo="wulipc/CC-OCR",
            files=(SourceFile(name=FILES, approximate_bytes=1_500_000_000),),
            licence="MIT",
            citation="Yang et al., CC-OCR, arXiv 2412.02210",
            note="no commit is known, so it is pinned at the first fetch; the number of bytes is a guess",
        ),
    ),
    dataset=PublishedDataset(
        name="cc-ocr",
        annotations=DatasetFile(source="cc-ocr", file=FILES),
        num_records=150,
        num_images=150,
    ),
    read=read,
)
