"""MECHA-ja: multiple-choice questions on Japanese culture, each also with its choices in four orders (LLM-jp, 2025)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.benchmarks.benchmark import OURS, Benchmark, Pair, Protocol
from pipeline.benchmarks.eval_mm import EVAL_MM, eval_mm_protocol, letter, multiple_choice, record
from pipeline.benchmarks.rows import parquet_rows, records_of
from pipeline.store.sources import DatasetFile, PublishedDataset, Source, SourceFile

COLUMNS = ("question", "background_text", "options", "image", "answer", "answer_type")
NUM_OPTIONS = 4
KINDS = ("Factoid", "Non-Factoid")
ROTATED = f"{EVAL_MM}-rotated"


def read(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """Five records for each row: as it is, then with its options rotated by 0 to 3 places."""
    return records_of(parquet_rows(files, columns=COLUMNS), _records)


def _records(index: int, row: dict[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[bytes, ...]]]:
    """The background text is not shown to the model; it only forms groups."""
    options, answer = list(row["options"]), row["answer"]
    if len(options) != NUM_OPTIONS or not 0 <= answer < NUM_OPTIONS:
        raise ValueError(f"answer {answer} of {len(options)} options; there must be {NUM_OPTIONS}")
    for rotation in (None, *range(NUM_OPTIONS)):
        shift = rotation or 0
        rotated = options[shift:] + options[:shift]
        yield record(
            str(index) if rotation is None else f"{index}_rot{rotation}",
            multiple_choice(row["question"], rotated),
            letter((answer - shift) % NUM_OPTIONS),
            images=[row["image"]],
            name=str(index),
            category=KINDS[row["answer_type"]],
            scoring={
                "answer_type": row["answer_type"],
                "background_text": row["background_text"] or "",
                "options": rotated,
                "question_id": str(index),
                "rotation": rotation,
            },
        )


BENCHMARK = Benchmark(
    protocols={
        EVAL_MM: eval_mm_protocol(
            1_818,
            "every question once, its choices in their own order",
            is_exact=False,
            places=(0,),
            metrics=("mecha-ja",),
        ),
        ROTATED: eval_mm_protocol(
            4 * 1_818,
            "every question four times, its choices rotated, as --rotate_choices asks",
            is_exact=False,
            places=(1, 2, 3, 4),
            metrics=("mecha-ja",),
        ),
        OURS: Protocol(
            1_818,
            "every question once; the letter that is chosen counts",
            is_exact=False,
            places=(0,),
            metrics=("choice_match",),
        ),
    },
    metrics=("mecha-ja",),
    sources=(
        Source(
            name="mecha-ja",
            what="about 1,820 multiple-choice questions on photos of Japanese culture",
            kind="hub_dataset",
            repo="llm-jp/MECHA-ja",
            files=(SourceFile(name="**test**.parquet", approximate_bytes=1_000_000_000),),
            licence="see the card; it could not be read when this was written",
            citation="LLM-jp, MECHA-ja, 2025",
            note="no commit is known, so it is pinned at the first fetch; the card counts 1,821 rows, the published "
            "numbers fit 1,818; the number of bytes is a guess",
        ),
    ),
    dataset=PublishedDataset(
        name="mecha-ja",
        annotations=DatasetFile(source="mecha-ja", file="**test**.parquet"),
        num_records=5 * 1_818,
        num_images=1_818,
    ),
    read=read,
)
