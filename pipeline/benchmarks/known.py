"""The benchmarks of this folder by name: every module that defines ``BENCHMARK`` is one."""

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

import pipeline.benchmarks
from pipeline.benchmarks.benchmark import Benchmark

OVERALL = "overall"
"""Stands for all items of a benchmark where a group of them could stand."""


def _known() -> Mapping[str, Benchmark]:
    names = sorted(module.name for module in pkgutil.iter_modules(pipeline.benchmarks.__path__))
    modules = [import_module(f"pipeline.benchmarks.{name}") for name in names if name != "known"]
    found = [module.BENCHMARK for module in modules if hasattr(module, "BENCHMARK")]
    return MappingProxyType({benchmark.name: benchmark for benchmark in found})


KNOWN_BENCHMARKS: Mapping[str, Benchmark] = _known()


def label_of(benchmark: str, protocol: str) -> str:
    """Name and protocol, for roles and headings; your own benchmarks have one protocol only."""
    return f"{benchmark}/{protocol}" if benchmark in KNOWN_BENCHMARKS else benchmark
