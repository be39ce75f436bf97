"""Japanese-Heron-Bench: 103 questions on 21 photos, to be judged (Inoue et al., arXiv 2404.07824)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.benchmarks.benchmark import ALL, Benchmark, Pair, Protocol, talk
from pipeline.benchmarks.eval_mm import EVAL_MM, eval_mm_protocol
from pipeline.core.errors import DataError
from pipeline.core.records import read_records
from pipeline.store.sources import DatasetFile, PublishedDataset, Source, SourceFile

RULES = (
    "https://raw.githubusercontent.com/turingmotors/heron/0e847588066d31200cfa7fa4d2b56b55095edfb7"
    "/playground/data/llava-bench-ja/rule.json"
)


CATEGORIES = {"conv": 42, "complex": 40, "detail": 21}


def read(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """Questions joined with GPT-4's reference answers by their id, never by line."""
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
            "conversations": talk([(question["text"], answers[number])]),
        }
        yield record, ()


BENCHMARK = Benchmark(
    protocols={
        ALL: Protocol(103, "all questions", 21, num_per_category=CATEGORIES, judge="heron-official"),
        EVAL_MM: eval_mm_protocol(
            103,
            "all questions, with the judge of llm-jp-eval-mm",
            21,
            num_per_category=CATEGORIES,
            metrics=("rougeL_nfkc",),
            judge="heron-bench",
        ),
    },
    metrics=("rougeL",),
    sources=(
        Source(
            name="japanese-heron-bench",
            what="103 Japanese questions on 21 photos with GPT-4's reference answers",
            kind="hub_dataset",
            repo="turing-motors/Japanese-Heron-Bench",
            revision="c63602da364024a26c32c19ee45464286da8f075",
            files=(
                SourceFile(name="questions_ja.jsonl", approximate_bytes=50_200),
                SourceFile(name="context_ja.jsonl", approximate_bytes=7_450),
                SourceFile(name="answers_gpt4.jsonl", approximate_bytes=48_700),
                SourceFile(name="images/*.jpg", approximate_bytes=14_000_000),
                SourceFile(name="LICENCE.md", approximate_bytes=3_840),
            ),
            licence="Apache 2.0; each photo has its own (LICENCE.md), two are from Studio Ghibli",
            citation="Inoue et al., Heron-Bench, arXiv 2404.07824",
            note="the number of bytes of the images is a guess",
        ),
        Source(
            name="heron-bench-judge",
            what="the prompts with which GPT-4 judges Heron-Bench (rule.json)",
            kind="http",
            files=(
                SourceFile(
                    name="rule.json",
                    url=RULES,
                    approximate_bytes=9_387,
                    sha256="7e69345798d3ca406a50c1364828b1988c2ef37ad559e46e88aec47c0db565f0",
                ),
            ),
            licence="Apache 2.0",
            citation="Inoue et al., Heron-Bench, arXiv 2404.07824",
            note="the repository has only this version of the file up to 883cd7c",
        ),
    ),
    dataset=PublishedDataset(
        name="japanese-heron-bench",
        annotations=DatasetFile(source="japanese-heron-bench", file="questions_ja.jsonl"),
        image_folder="images",
        kept=(DatasetFile(source="heron-bench-judge", file="rule.json"),),
        num_records=103,
        num_images=21,
    ),
    read=read,
)
