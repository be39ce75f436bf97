"""What the three parts of JaWildText share: signs, handwriting and receipts from Japan (arXiv 2603.27942)."""

from pipeline.benchmarks.benchmark import Benchmark, Protocol, Reader
from pipeline.benchmarks.eval_mm import EVAL_MM
from pipeline.store.sources import DatasetFile, PublishedDataset, Source, SourceFile


def part(name: str, *, config: str, what: str, protocols: dict[str, Protocol], read: Reader) -> Benchmark:
    """One part as a benchmark; its files are those with the name of the configuration in their path."""
    first = protocols[EVAL_MM]
    source = Source(
        name=name,
        what=what,
        kind="hub_dataset",
        repo="llm-jp/jawildtext",
        revision="627ca7ea7c224ffe1accff8737991fc2240784fa",
        files=(SourceFile(name=f"**{config}**.parquet", approximate_bytes=1_500_000_000),),
        licence="Apache 2.0",
        citation="LLM-jp, JaWildText, arXiv 2603.27942 (ICDAR 2026)",
        note="names of files and the number of bytes are not verified",
    )
    return Benchmark(
        protocols=protocols,
        metrics=first.metrics,
        sources=(source,),
        dataset=PublishedDataset(
            name=name,
            annotations=DatasetFile(source=name, file=f"**{config}**.parquet"),
            num_records=first.num_items,
            num_images=first.num_items,
        ),
        read=read,
    )
