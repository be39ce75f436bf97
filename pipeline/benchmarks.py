"""The benchmarks of the article and their protocols: which questions are asked, and how many there must be.

A score without its protocol means nothing: the first question on each photo and all of them give numbers that differ by
points, in either direction. So a protocol has a name, and the name goes with every number.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from pipeline.errors import DataError

if TYPE_CHECKING:
    from pipeline.prediction_rows import Item

MetricName = Literal["exact_match", "rougeL", "rougeL_ja", "rougeL_nfkc"]

ALL = "all"
"""The protocol that asks every question; the only one of your own benchmarks."""

OVERALL = "overall"
"""Stands for all items of a benchmark where a group of them could stand."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """Which questions are asked. ``num_items`` is exact: other items would be another benchmark."""

    num_items: int
    num_images: int
    what: str
    is_first_only: bool = False
    """Only the first question on each image."""
    num_per_category: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class KnownBenchmark:
    """A published benchmark; the first protocol is the default one."""

    protocols: Mapping[str, Protocol]
    metrics: tuple[MetricName, ...]


KNOWN_BENCHMARKS: Mapping[str, KnownBenchmark] = MappingProxyType(
    {
        "ja-vg-vqa-500": KnownBenchmark(
            protocols={
                "first-of-8": Protocol(500, 500, "the first question on each photo, as Sakana AI asks", True),
                ALL: Protocol(4000, 500, "all eight questions on each photo, as llm-jp-eval-mm asks"),
            },
            metrics=("rougeL", "rougeL_ja"),
        ),
        "ja-vlm-bench-in-the-wild": KnownBenchmark(
            protocols={ALL: Protocol(50, 42, "all questions")},
            metrics=("rougeL", "rougeL_ja"),
        ),
        "japanese-heron-bench": KnownBenchmark(
            protocols={
                ALL: Protocol(103, 21, "all questions", num_per_category={"conv": 42, "complex": 40, "detail": 21})
            },
            metrics=("rougeL",),
        ),
    }
)


def label_of(benchmark: str, protocol: str) -> str:
    """Name and protocol, for roles and headings; your own benchmarks have one protocol only."""
    return f"{benchmark}/{protocol}" if benchmark in KNOWN_BENCHMARKS else benchmark


def select_items(items: "Sequence[Item]", *, benchmark: str, protocol: str) -> "list[Item]":
    """The items that a protocol asks, in the benchmark's order.

    Raises:
        DataError: they are not those of the published benchmark: another number of them, of images or of a category.
    """
    if benchmark not in KNOWN_BENCHMARKS:
        return list(items)
    wanted = KNOWN_BENCHMARKS[benchmark].protocols[protocol]
    chosen = [item for item in items if item.question_index == 0] if wanted.is_first_only else list(items)
    num_images = len({item.image for item in chosen})
    counts = Counter(item.category for item in chosen)
    is_right = (len(chosen), num_images) == (wanted.num_items, wanted.num_images)
    if not is_right or dict(counts) != dict(wanted.num_per_category or counts):
        found = f", {dict(counts)}" if wanted.num_per_category else ""
        raise DataError(
            f"{benchmark}/{protocol} needs {wanted.num_items} questions on {wanted.num_images} images"
            f"{f', {dict(wanted.num_per_category)}' if wanted.num_per_category else ''}; the dataset has "
            f"{len(chosen)} on {num_images}{found}. A mean over other questions is another benchmark: "
            "give it another name, or repair the files"
        )
    return chosen
