"""MMMLU in Japanese: 14,042 multiple-choice questions of MMLU, translated by people; text only (OpenAI, 2024)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.benchmarks.benchmark import OURS, Benchmark, Pair, Protocol
from pipeline.benchmarks.eval_mm import EVAL_MM, eval_mm_protocol, record
from pipeline.benchmarks.rows import records_of, text_rows
from pipeline.store.sources import DatasetFile, PublishedDataset, Source, SourceFile

FILE = "test/mmlu_JA-JP.csv"
COLUMNS = ("Unnamed: 0", "Question", "A", "B", "C", "D", "Answer", "Subject")


def read(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """One record for each line; the column without a name is its id."""
    return records_of(text_rows(files, columns=COLUMNS, separator=","), _records)


def _records(index: int, row: dict[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[bytes, ...]]]:
    choices = " ".join(f"{letter}: {row[letter]}" for letter in "ABCD")
    question = f"{row['Question']} {choices}. Output only the letter of the correct answer. Answer:"
    options = [row[letter] for letter in "ABCD"]
    yield record(row["Unnamed: 0"], question, row["Answer"], category=row["Subject"], scoring={"options": options})


BENCHMARK = Benchmark(
    protocols={
        EVAL_MM: eval_mm_protocol(14_042, "all questions", num_images=0, is_exact=False, metrics=("exact-match",)),
        OURS: Protocol(
            14_042,
            "the same questions; the letter that is chosen counts",
            num_images=0,
            is_exact=False,
            metrics=("choice_match",),
        ),
    },
    metrics=("exact-match",),
    sources=(
        Source(
            name="mmmlu",
            what="14,042 questions of MMLU in Japanese, without images",
            kind="hub_dataset",
            repo="openai/MMMLU",
            files=(SourceFile(name=FILE, approximate_bytes=8_000_000),),
            licence="MIT",
            citation="OpenAI, Multilingual Massive Multitask Language Understanding, 2024",
            note="no commit is known, so it is pinned at the first fetch",
        ),
    ),
    dataset=PublishedDataset(
        name="mmmlu",
        annotations=DatasetFile(source="mmmlu", file=FILE),
        num_records=14_042,
        num_images=1,
    ),
    read=read,
)
