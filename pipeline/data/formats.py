"""The published datasets that are not in LLaVA's form, as records of it.

Each reader yields a record and, where the table holds it, the bytes of its image. Facts on the files: the datasets'
cards, and yahoojapan/ja-vg-vqa, STAIR-Lab-CIT/STAIR-captions, turingmotors/heron.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.core.errors import DataError
from pipeline.data.records import read_records, records_with_progress

Pair = tuple[Any, bytes | None]
Reader = Callable[[Sequence[Path], Path], Iterator[Pair]]
"""Takes the annotation files and the folder where image paths start."""

ROWS_PER_BATCH = 64
"""Of tables with images inside."""
DESCRIBE = "この画像を簡潔に説明してください。"
"""STAIR Captions has captions only; pretraining drops the question again."""


def llava_records(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """JSON or JSON Lines in LLaVA's form already."""
    for file in files:
        for _, record in records_with_progress(file, name=f"read {file.name}"):
            yield record, None


def table_of_records(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """LLaVA's records as rows of Parquet."""
    for row in _rows(files):
        yield row, None


def coco_2014_records(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """LLaVA-Instruct-150K names COCO photos by number only; train2014's files have a prefix."""
    for record, _ in llava_records(files, images):
        name = record.get("image") if isinstance(record, dict) else None
        if isinstance(name, str) and not (images / name).exists():
            record = {**record, "image": f"COCO_train2014_{name}"}
        yield record, None


def stair_captions(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """One record per caption; the file is COCO's: images with ids, captions that name them."""
    for file in files:
        content = json.loads(file.read_text(encoding="utf-8"))
        names = {image["id"]: image["file_name"] for image in content["images"]}
        for caption in content["annotations"]:
            yield (
                {
                    "id": caption["id"],
                    "image": names.get(caption["image_id"]),
                    "coco_id": caption["image_id"],
                    "conversations": _talk([(DESCRIBE, caption["caption"])]),
                },
                None,
            )


def visual_genome_questions(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """One record per photo with all its questions; the photos lie in two folders."""
    for file in files:
        for _, photo in read_records(file):
            number = photo["id"]
            folder = "VG_100K" if (images / f"VG_100K/{number}.jpg").exists() else "VG_100K_2"
            talk = _talk([(qa["question"], qa["answer"]) for qa in photo["qas"]])
            yield {"id": number, "image": f"{folder}/{number}.jpg", "conversations": talk}, None


def visual_genome_benchmark(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """JA-VG-VQA-500: eight questions on each photo, one record each, in the order of the table."""
    for row in _rows(files):
        for qa in row["qas"]:
            record = {
                "id": qa["qa_id"],
                "image": f"{row['image_id']}.jpg",
                "visual_genome_id": row["image_id"],
                "coco_id": row["coco_id"],
                "conversations": _talk([(qa["question"], qa["answer"])]),
            }
            yield record, row["image"]["bytes"]


def wild_benchmark(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """JA-VLM-Bench-In-the-Wild: the id is the number of the row; several questions share a photo."""
    for index, row in enumerate(_rows(files)):
        content = row["image"]["bytes"]
        name = row["image"].get("path") or row["image_url"]
        talk = _talk([(row["question"], row["answer"])])
        yield {"id": index, "image": f"{index:02d}-{Path(name).name}", "conversations": talk}, content


def heron_benchmark(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """Japanese-Heron-Bench: questions joined with GPT-4's reference answers by their id, never by line."""
    (questions,) = files
    path = questions.parent / "answers_gpt4.jsonl"
    answers = {answer["question_id"]: answer["text"] for _, answer in read_records(path)}
    for _, question in read_records(questions):
        number = question["question_id"]
        if number not in answers:
            raise DataError(f"{path} has no answer to question {number} of {questions.name}")
        record = {
            "id": number,
            "image": question["image"],
            "category": question["category"],
            "image_category": question.get("image_category"),
            "context": question.get("context"),
            "conversations": _talk([(question["text"], answers[number])]),
        }
        yield record, None


RECORD_READERS: Mapping[str, Reader] = {
    "cc3m-595k-ja": table_of_records,
    "llava-instruct-150k-ja": coco_2014_records,
    "stair-captions": stair_captions,
    "ja-vg-vqa": visual_genome_questions,
    "ja-vg-vqa-500": visual_genome_benchmark,
    "ja-vlm-bench-in-the-wild": wild_benchmark,
    "japanese-heron-bench": heron_benchmark,
}
"""By the dataset's name; all others are in LLaVA's form."""

BENCHMARKS = frozenset({"ja-vg-vqa-500", "ja-vlm-bench-in-the-wild", "japanese-heron-bench"})
"""Datasets whose items are kept as they were published; see ``pipeline.data.items``."""


def _rows(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    for file in files:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=ROWS_PER_BATCH):
            yield from batch.to_pylist()


def _talk(exchanges: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Messages of a conversation on one image, which stands before the first question."""
    messages = []
    for index, (question, answer) in enumerate(exchanges):
        messages.append({"from": "human", "value": f"<image>\n{question}" if index == 0 else question})
        messages.append({"from": "gpt", "value": answer})
    return messages
