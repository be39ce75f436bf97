"""The benchmarks of the article and their protocols: which questions are asked, and how many there must be.

A score without its protocol means nothing: the first question on each photo and all of them give numbers that differ by
points, in either direction. So a protocol has a name, and the name goes with every number.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from pipeline.core.errors import DataError

if TYPE_CHECKING:
    from pipeline.evaluation.rows import Item

MetricName = Literal["exact_match", "rougeL", "rougeL_ja", "rougeL_nfkc"]

ALL = "all"
"""The protocol that asks every question; the only one of your own benchmarks."""

OVERALL = "overall"
"""Stands for all items of a benchmark where a group of them could stand."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """Which questions are asked. ``num_items`` is exact: other items would be another benchmark."""

    num_items: int
    what: str
    num_images: int | None = None
    """None where the published table repeats an image under another name, so that it cannot be counted."""
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
                "first-of-8": Protocol(
                    500, "the first question on each photo, as Sakana AI asks", 500, is_first_only=True
                ),
                ALL: Protocol(4000, "all eight questions on each photo, as llm-jp-eval-mm asks", 500),
            },
            metrics=("rougeL", "rougeL_ja"),
        ),
        "ja-vlm-bench-in-the-wild": KnownBenchmark(
            protocols={ALL: Protocol(50, "all questions on 42 photos")},
            metrics=("rougeL", "rougeL_ja"),
        ),
        "japanese-heron-bench": KnownBenchmark(
            protocols={
                ALL: Protocol(103, "all questions", 21, num_per_category={"conv": 42, "complex": 40, "detail": 21})
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
    counts = dict(Counter(item.category for item in chosen))
    images = len({item.image for item in chosen})
    expected = _size(wanted.num_items, wanted.num_images, wanted.num_per_category)
    found = _size(
        len(chosen),
        None if wanted.num_images is None else images,
        None if wanted.num_per_category is None else {str(name): counts[name] for name in sorted(counts, key=str)},
    )
    if found != expected:
        raise DataError(
            f"{benchmark}/{protocol} has {expected}; the dataset has {found}. A mean over other questions is another "
            "benchmark: give it another name, or repair the files"
        )
    return chosen


def _size(num_items: int, num_images: int | None, num_per_category: Mapping[str, int] | None) -> str:
    """What is counted of a benchmark, as text."""
    parts = [f"{num_items} questions"] if num_images is None else [f"{num_items} questions on {num_images} images"]
    parts += (
        [] if num_per_category is None else [f"{number} {name}" for name, number in sorted(num_per_category.items())]
    )
    return ", ".join(parts)
