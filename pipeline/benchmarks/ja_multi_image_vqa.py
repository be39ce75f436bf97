"""JA-Multi-Image-VQA: 55 questions, written by hand, on one or several of 39 photos (Sakana AI, 2024)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.benchmarks.benchmark import Benchmark, Pair
from pipeline.benchmarks.eval_mm import EVAL_MM, IMAGE_TAG, ONE_IMAGE, eval_mm_protocol, record
from pipeline.benchmarks.rows import parquet_rows, records_of
from pipeline.store.sources import DatasetFile, PublishedDataset, Source, SourceFile

COLUMNS = ("images", "question", "answer")


def read(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """One record for each row, whose number is its id."""
    return records_of(parquet_rows(files, columns=COLUMNS), _records)


def _records(index: int, row: dict[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[bytes, ...]]]:
    """A judge sees the question with the tags of its images; the model does not."""
    question = row["question"].replace(f"{IMAGE_TAG} ", "")
    scoring = {"judge_question": row["question"]}
    yield record(str(index), question, row["answer"], images=row["images"], scoring=scoring)


BENCHMARK = Benchmark(
    protocols={
        EVAL_MM: eval_mm_protocol(55, "all questions", metrics=("rougeL_nfkc",), judge="llm-as-a-judge"),
        ONE_IMAGE: eval_mm_protocol(
            55,
            "the same, its images as one picture with their numbers",
            is_one_image=True,
            metrics=("rougeL_nfkc",),
            judge="llm-as-a-judge",
        ),
    },
    metrics=("rougeL_nfkc",),
    sources=(
        Source(
            name="ja-multi-image-vqa",
            what="55 Japanese questions on 39 photos, several at once",
            kind="hub_dataset",
            repo="SakanaAI/JA-Multi-Image-VQA",
            files=(SourceFile(name="**test**.parquet", approximate_bytes=29_500_000),),
            licence="Apache 2.0; the photos have the Unsplash licence",
            citation="Sakana AI, JA-Multi-Image-VQA, 2024",
            note="no full commit is known, so it is pinned at the first fetch",
        ),
    ),
    dataset=PublishedDataset(
        name="ja-multi-image-vqa",
        annotations=DatasetFile(source="ja-multi-image-vqa", file="**test**.parquet"),
        num_records=55,
        num_images=39,
    ),
    read=read,
)
