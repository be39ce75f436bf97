"""JMMMU: 1,320 questions of university level in 28 subjects, four of them Japanese culture (arXiv 2410.17250)."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.benchmarks.benchmark import OURS, Benchmark, Pair, Protocol
from pipeline.benchmarks.eval_mm import (
    EVAL_MM,
    IMAGE_TAG,
    ONE_IMAGE,
    OPEN_ENDED_PROMPT,
    eval_mm_protocol,
    multiple_choice,
    record,
)
from pipeline.benchmarks.rows import parquet_rows, records_of
from pipeline.store.sources import DatasetFile, PublishedDataset, Source, SourceFile

PICTURES = tuple(f"image_{number}" for number in range(1, 8))
COLUMNS = ("id", "question", "question_type", "options", "answer", *PICTURES)
MULTIPLE_CHOICE = "multiple-choice"
NUMBERED_TAG = re.compile("<image ([1-7])>")
SUBJECT = re.compile(r"[^_]*_(.+?)_\d+")


def read(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """One record for each row of each subject, in the order of the subjects' names."""
    return records_of(parquet_rows(files, columns=COLUMNS), _records)


def _records(index: int, row: dict[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[bytes, ...]]]:
    """Only images that question or options name are shown; where they are named is lost, as in the harness."""
    question = row["question"].replace("<image1>", "<image 1>")
    options = _options(row["options"])
    is_choice = row["question_type"] == MULTIPLE_CHOICE
    text = multiple_choice(question, options) if is_choice else f"{question}\n\n{OPEN_ENDED_PROMPT}"
    named = {f"image_{number}" for number in NUMBERED_TAG.findall(" ".join([question, *options]))}
    if absent := sorted(name for name in named if row[name] is None):
        raise ValueError(f"{', '.join(absent)} is named and not there")
    subject = SUBJECT.fullmatch(row["id"])
    if subject is None:
        raise ValueError(f"id {row['id']!r} has no subject")
    yield record(
        row["id"],
        NUMBERED_TAG.sub(IMAGE_TAG, text),
        row["answer"],
        images=[row[name] for name in sorted(named)],
        category=subject[1],
        scoring={"question_type": row["question_type"], "options": options, "subject": subject[1]},
    )


def _options(value: Any) -> list[str]:
    """They stand there as the text of a Python list."""
    found = ast.literal_eval(value) if isinstance(value, str) else value
    return [str(option) for option in found or ()]


BENCHMARK = Benchmark(
    protocols={
        EVAL_MM: eval_mm_protocol(
            1_320, "all questions of all subjects", is_exact=False, metrics=("jmmmu-in-sequence", "jmmmu")
        ),
        ONE_IMAGE: eval_mm_protocol(
            1_320,
            "the same, its images as one picture with their numbers",
            is_exact=False,
            is_one_image=True,
            metrics=("jmmmu-in-sequence", "jmmmu"),
        ),
        OURS: Protocol(
            1_320,
            "the same questions; choices and short answers in any usual writing",
            is_exact=False,
            metrics=("choice_or_short_answer",),
        ),
    },
    metrics=("jmmmu",),
    sources=(
        Source(
            name="jmmmu",
            what="1,320 questions of university level with 1,118 images",
            kind="hub_dataset",
            repo="JMMMU/JMMMU",
            files=(SourceFile(name="**test**.parquet", approximate_bytes=500_000_000),),
            licence="see the card; it could not be read when this was written",
            citation="Onohara et al., JMMMU, arXiv 2410.17250",
            note="no commit is known, so it is pinned at the first fetch: in December 2025 the authors turned the "
            "open questions into choices elsewhere (JMMMU-Pro). The number of bytes is a guess",
        ),
    ),
    dataset=PublishedDataset(
        name="jmmmu",
        annotations=DatasetFile(source="jmmmu", file="**test**.parquet"),
        num_records=1_320,
        num_images=1_118,
    ),
    read=read,
)
