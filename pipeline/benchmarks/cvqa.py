"""CVQA, the Japanese part: 203 multiple-choice questions on photos from Japan (Romero et al., arXiv 2406.05967)."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.benchmarks.benchmark import OURS, Benchmark, Pair, Protocol
from pipeline.benchmarks.eval_mm import EVAL_MM, eval_mm_protocol, letter, multiple_choice, record
from pipeline.benchmarks.rows import parquet_rows, records_of
from pipeline.store.sources import DatasetFile, PublishedDataset, Source, SourceFile

SUBSET = "('Japanese', 'Japan')"
COLUMNS = ("image", "Subset", "Question", "Options", "Label", "Category")


def read(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """One record for each row of the subset; its id is the row's number there."""
    return records_of(parquet_rows(files, columns=COLUMNS, only=("Subset", SUBSET)), _records)


def _records(index: int, row: dict[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[bytes, ...]]]:
    options = _options(row["Options"])
    if not 0 <= row["Label"] < len(options):
        raise ValueError(f"Label {row['Label']} is none of {len(options)} options")
    yield record(
        str(index),
        multiple_choice(row["Question"], options),
        letter(row["Label"]),
        images=[row["image"]],
        category=row["Category"],
        scoring={"options": options},
    )


def _options(value: Any) -> list[str]:
    """The first version of the data held them as the text of a Python list."""
    found = ast.literal_eval(value) if isinstance(value, str) else value
    return [str(option) for option in found]


BENCHMARK = Benchmark(
    protocols={
        EVAL_MM: eval_mm_protocol(
            203,
            "all questions of the Japanese part, with four choices",
            is_exact=False,
            metrics=("substring-match", "substring-match-case-sensitive"),
        ),
        OURS: Protocol(
            203, "the same questions; the letter that is chosen counts", is_exact=False, metrics=("choice_match",)
        ),
    },
    metrics=("substring-match",),
    sources=(
        Source(
            name="cvqa",
            what="10,374 questions on photos from 28 countries, 203 of them Japanese",
            kind="hub_dataset",
            repo="afaji/cvqa",
            files=(SourceFile(name="**test**.parquet", approximate_bytes=4_900_000_000),),
            licence="its own for each photo (column License); see the card for the questions",
            citation="Romero et al., CVQA, arXiv 2406.05967",
            note="no commit is known, so it is pinned at the first fetch; names of files are not verified",
        ),
    ),
    dataset=PublishedDataset(
        name="cvqa",
        annotations=DatasetFile(source="cvqa", file="**test**.parquet"),
        num_records=203,
        num_images=203,
    ),
    read=read,
)
