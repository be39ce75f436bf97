"""JDocQA: questions on pages of Japanese documents, up to four pages at once (Onami et al., arXiv 2403.19454)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.benchmarks.benchmark import Benchmark, Pair
from pipeline.benchmarks.eval_mm import EVAL_MM, ONE_IMAGE, eval_mm_protocol, record
from pipeline.benchmarks.rows import parquet_rows, records_of
from pipeline.store.sources import DatasetFile, PublishedDataset, Source, SourceFile

PAGES = tuple(f"image_{number}" for number in range(4))
COLUMNS = ("question", "answer", "answer_type", "question_id", *PAGES)
KINDS = ("yesno", "factoid", "numerical", "open-ended")


def read(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """One record for each row, with the pages that it has."""
    return records_of(parquet_rows(files, columns=COLUMNS), _records)


def _records(index: int, row: dict[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[bytes, ...]]]:
    """The question already ends in how to answer it."""
    yield record(
        str(row["question_id"]),
        row["question"],
        row["answer"],
        images=[row[page] for page in PAGES if row[page] is not None],
        category=KINDS[row["answer_type"]],
        scoring={"answer_type": row["answer_type"]},
    )


BENCHMARK = Benchmark(
    protocols={
        EVAL_MM: eval_mm_protocol(
            1_176, "all questions of the test split", is_exact=False, metrics=("jdocqa",), judge="llm-as-a-judge"
        ),
        ONE_IMAGE: eval_mm_protocol(
            1_176,
            "the same, its images as one picture with their numbers",
            is_exact=False,
            is_one_image=True,
            metrics=("jdocqa",),
            judge="llm-as-a-judge",
        ),
    },
    metrics=("jdocqa",),
    sources=(
        Source(
            name="jdocqa",
            what="1,176 questions on pages of Japanese documents",
            kind="hub_dataset",
            repo="speed/JDocQA",
            files=(SourceFile(name="**test**.parquet", approximate_bytes=578_000_000),),
            licence="CC BY-SA 4.0 for the questions; none stated for the pages",
            citation="Onami et al., JDocQA, arXiv 2403.19454",
            note="no commit is known, so it is pinned at the first fetch; the number of questions is that of the "
            "original test split",
        ),
    ),
    dataset=PublishedDataset(
        name="jdocqa",
        annotations=DatasetFile(source="jdocqa", file="**test**.parquet"),
        num_records=1_176,
        num_images=1_176,
    ),
    read=read,
)
