"""The benchmarks of this folder by name: every module that defines ``BENCHMARK`` is one."""

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

import pipeline.benchmarks
from pipeline.benchmarks.benchmark import ALL, Benchmark, Protocol

OVERALL = "overall"
"""Stands for all items of a benchmark where a group of them could stand."""


def _known() -> Mapping[str, Benchmark]:
    names = sorted(module.name for module in pkgutil.iter_modules(pipeline.benchmarks.__path__))
    modules = [import_module(f"pipeline.benchmarks.{name}") for name in names if name != "known"]
    found = [module.BENCHMARK for module in modules if hasattr(module, "BENCHMARK")]
    return MappingProxyType({benchmark.name: benchmark for benchmark in found})


KNOWN_BENCHMARKS: Mapping[str, Benchmark] = _known()


JAPANESE = "japanese"
"""Stands for all of them where names of benchmarks are given."""

BLIND = "-blind"
"""Behind a protocol's name: the same questions without their images. What is right then was not seen."""


def is_blind(protocol: str) -> bool:
    """Whether the items are asked without their images."""
    return protocol.endswith(BLIND)


def protocols_of(benchmark: str) -> tuple[str, ...]:
    """The names of a benchmark's protocols, the default one first; your own have one. Blind ones are not listed."""
    known = KNOWN_BENCHMARKS.get(benchmark)
    return tuple(known.protocols) if known else (ALL,)


def protocol_of(benchmark: str, protocol: str) -> Protocol | None:
    """What a protocol of a known benchmark means, also asked blind; None of your own benchmarks."""
    known = KNOWN_BENCHMARKS.get(benchmark)
    return known.protocols[protocol.removesuffix(BLIND)] if known else None


def label_of(benchmark: str, protocol: str) -> str:
    """Name and protocol, for roles and headings; your own benchmarks have one protocol only."""
    return benchmark if benchmark not in KNOWN_BENCHMARKS and protocol == ALL else f"{benchmark}/{protocol}"
