"""JA-VG-VQA-500: eight questions on each of 500 Visual Genome photos (Akiba et al., arXiv 2403.13187)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.benchmarks.benchmark import ALL, Benchmark, Pair, Protocol, table_rows, talk
from pipeline.benchmarks.eval_mm import EVAL_MM, eval_mm_protocol
from pipeline.store.sources import DatasetFile, PublishedDataset, Source, SourceFile


def read(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """One record for each question, in the order of the table."""
    for row in table_rows(files):
        for qa in row["qas"]:
            record = {
                "id": qa["qa_id"],
                "image": f"{row['image_id']}.jpg",
                "visual_genome_id": row["image_id"],
                "coco_id": row["coco_id"],
                "conversations": talk([(qa["question"], qa["answer"])]),
            }
            yield record, (row["image"]["bytes"],)


BENCHMARK = Benchmark(
    protocols={
        "first-of-8": Protocol(500, "the first question on each photo, as Sakana AI asks", 500, places=(0,)),
        ALL: Protocol(4000, "all eight questions on each photo, as llm-jp-eval-mm asks", 500),
        EVAL_MM: eval_mm_protocol(
            4000,
            "the same, with the words and scores of llm-jp-eval-mm",
            500,
            metrics=("rougeL_nfkc",),
            judge="llm-as-a-judge",
        ),
    },
    metrics=("rougeL", "rougeL_ja"),
    sources=(
        Source(
            name="ja-vg-vqa-500",
            what="4,000 Japanese questions on 500 Visual Genome photos",
            kind="hub_dataset",
            repo="SakanaAI/JA-VG-VQA-500",
            revision="8e8d0611735b18ff15492a29b98e1300460a8489",
            files=(SourceFile(name="data/test-*.parquet", approximate_bytes=72_900_000),),
            licence="CC BY 4.0",
            citation="Akiba et al., Evolutionary Optimization of Model Merging Recipes, arXiv 2403.13187",
        ),
    ),
    dataset=PublishedDataset(
        name="ja-vg-vqa-500",
        annotations=DatasetFile(source="ja-vg-vqa-500", file="data/test-*.parquet"),
        num_records=4_000,
        num_images=500,
    ),
    read=read,
)
