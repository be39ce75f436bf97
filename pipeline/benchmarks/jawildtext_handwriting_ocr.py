"""JaWildText, handwriting: 1,065 photos of handwritten text to transcribe."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.benchmarks.benchmark import Pair
from pipeline.benchmarks.eval_mm import EVAL_MM, eval_mm_protocol, record
from pipeline.benchmarks.jawildtext import part
from pipeline.benchmarks.rows import parquet_rows, records_of

PROMPT = "OCR:\n画像内の文字をすべて読んでください。 改行されている部分には必ず\\nを挿入してください。"
"""The ``\\n`` in the sentence is a backslash and an n."""


def read(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """One record for each row, whose number is its id."""
    return records_of(parquet_rows(files, columns=("image", "polygons")), _records)


def _records(index: int, row: dict[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[bytes, ...]]]:
    polygons = row["polygons"] or []
    yield record(
        str(index), PROMPT, transcription(polygons), images=[row["image"]], scoring={"polygons": list(polygons)}
    )


def transcription(polygons: Sequence[Mapping[str, Any]]) -> str:
    """The texts from top to bottom, then from left to right, one a line; of vertical writing not the reading order."""
    ordered = sorted(polygons, key=lambda one: _middle(one["polygon"] or ()))
    return "\n".join(one["text"] for one in ordered if one["text"])


def _middle(points: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Mean y and mean x."""
    if not points:
        return 0.0, 0.0
    return sum(point[1] for point in points) / len(points), sum(point[0] for point in points) / len(points)


BENCHMARK = part(
    "jawildtext-handwriting-ocr",
    config="handwriting_ocr",
    what="1,065 photos of handwritten text",
    protocols={EVAL_MM: eval_mm_protocol(1_065, "all photos", metrics=("jawildtext-handwriting-ocr",))},
    read=read,
)
