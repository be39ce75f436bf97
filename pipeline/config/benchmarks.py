"""The benchmarks of the article and their protocols: which questions are asked, and how many there must be.

A score without its protocol means nothing: the first question on each photo and all of them give numbers that differ by
points, in either direction. So a protocol has a name, and the name goes with every number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    pass

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
