"""The published datasets that are not in LLaVA's form, as records of it.

Each reader yields a record and, where the table holds them, the bytes of its images. Facts on the files: the datasets'
cards, and yahoojapan/ja-vg-vqa, STAIR-Lab-CIT/STAIR-captions, turingmotors/heron.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.benchmarks.benchmark import Pair, Reader, table_rows, talk
from pipeline.benchmarks.known import KNOWN_BENCHMARKS
from pipeline.core.records import read_records, records_with_progress
from pipeline.data.record_forms import DESCRIBE


def llava_records(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """JSON or JSON Lines in LLaVA's form already."""
    for file in files:
        for _, record in records_with_progress(file, name=f"read {file.name}"):
            yield record, ()


def table_of_records(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """LLaVA's records as rows of Parquet."""
    for row in table_rows(files):
        yield row, ()


def coco_2014_records(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """LLaVA-Instruct-150K names COCO photos by number only; train2014's files have a prefix."""
    for record, _ in llava_records(files, images):
        name = record.get("image") if isinstance(record, dict) else None
        if isinstance(name, str) and not (images / name).exists():
            record = {**record, "image": f"COCO_train2014_{name}"}
        yield record, ()


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
                    "conversations": talk([(DESCRIBE, caption["caption"])]),
                },
                (),
            )


def visual_genome_questions(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """One record per photo with all its questions; the photos lie in two folders."""
    for file in files:
        for _, photo in read_records(file):
            number = photo["id"]
            folder = "VG_100K" if (images / f"VG_100K/{number}.jpg").exists() else "VG_100K_2"
            conversation = talk([(qa["question"], qa["answer"]) for qa in photo["qas"]])
            yield {"id": number, "image": f"{folder}/{number}.jpg", "conversations": conversation}, ()


RECORD_READERS: Mapping[str, Reader] = {
    "cc3m-595k-ja": table_of_records,
    "llava-instruct-150k-ja": coco_2014_records,
    "stair-captions": stair_captions,
    "ja-vg-vqa": visual_genome_questions,
    **{name: benchmark.read for name, benchmark in KNOWN_BENCHMARKS.items()},
}
"""By the dataset's name; all others are in LLaVA's form."""
