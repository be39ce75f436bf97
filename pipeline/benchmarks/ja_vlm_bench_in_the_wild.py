"""JA-VLM-Bench-In-the-Wild: 50 questions on 42 photos (Akiba et al., arXiv 2403.13187)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.benchmarks.benchmark import ALL, Benchmark, Pair, Protocol, table_rows, talk
from pipeline.benchmarks.eval_mm import EVAL_MM, eval_mm_protocol
from pipeline.store.sources import DatasetFile, PublishedDataset, Source, SourceFile


def read(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """One record for each row, whose number is its id; several questions share a photo."""
    for index, row in enumerate(table_rows(files)):
        content = row["image"]["bytes"]
        name = row["image"].get("path") or row["image_url"]
        conversation = talk([(row["question"], row["answer"])])
        yield {"id": index, "image": f"{index:02d}-{Path(name).name}", "conversations": conversation}, (content,)


BENCHMARK = Benchmark(
    protocols={
        ALL: Protocol(50, "all questions on 42 photos"),
        EVAL_MM: eval_mm_protocol(
            50,
            "the same, with the scores of llm-jp-eval-mm",
            metrics=("rougeL_nfkc",),
            judge="llm-as-a-judge",
        ),
    },
    metrics=("rougeL", "rougeL_ja"),
    sources=(
        Source(
            name="ja-vlm-bench-in-the-wild",
            what="50 Japanese questions on 42 photos",
            kind="hub_dataset",
            repo="SakanaAI/JA-VLM-Bench-In-the-Wild",
            files=(SourceFile(name="data/test-*.parquet", approximate_bytes=5_840_000),),
            licence="Unsplash licence for the photos; none stated for the questions, which GPT-4V wrote",
            citation="Akiba et al., Evolutionary Optimization of Model Merging Recipes, arXiv 2403.13187",
            note="the name of the file is not verified",
        ),
    ),
    dataset=PublishedDataset(
        name="ja-vlm-bench-in-the-wild",
        annotations=DatasetFile(source="ja-vlm-bench-in-the-wild", file="data/test-*.parquet"),
        num_records=50,
        num_images=42,
    ),
    read=read,
)
