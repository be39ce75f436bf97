"""JaWildText, boards: 1,025 questions on signs and notices; a judge says whether the boxed answer is right."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.benchmarks.benchmark import Pair
from pipeline.benchmarks.eval_mm import EVAL_MM, eval_mm_protocol, record
from pipeline.benchmarks.jawildtext import part
from pipeline.benchmarks.rows import parquet_rows, records_of

SUFFIX = (
    "\n画像を参照して回答してください。推論過程は出力しても構いませんが、"
    "最終回答は必ず \\boxed{...} で囲み、ボックス内には最終回答のみを1つだけ記載してください。"
)


def read(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """One record for each row, whose number is its id."""
    return records_of(parquet_rows(files, columns=("image", "question", "answer")), _records)


def _records(index: int, row: dict[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[bytes, ...]]]:
    yield record(str(index), (row["question"] or "") + SUFFIX, row["answer"] or "", images=[row["image"]])


BENCHMARK = part(
    "jawildtext-board-vqa",
    config="board_vqa",
    what="1,025 questions on photos of signs and notices",
    protocols={EVAL_MM: eval_mm_protocol(1_025, "all questions", judge="jawildtext-board-vqa")},
    read=read,
)
