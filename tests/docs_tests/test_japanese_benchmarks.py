"""The page on the Japanese benchmarks says of each what its module says."""

import re
from pathlib import Path

import pytest

from pipeline.benchmarks.eval_mm import EVAL_MM
from pipeline.benchmarks.known import KNOWN_BENCHMARKS, protocols_of
from pipeline.comparison.published import leaderboards

PAGE = (Path(__file__).parents[2] / "docs" / "japanese_benchmarks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", KNOWN_BENCHMARKS)
def test_each_benchmark_has_a_line_with_its_number_of_items_its_metrics_and_whether_a_judge_is_asked(name):
    (line,) = re.findall(rf"^\| `{name}` \|.*$", PAGE, re.MULTILINE)
    items, metrics = line.split(" | ")[1], line.split(" | ")[3]
    protocol = KNOWN_BENCHMARKS[name].protocols[EVAL_MM]
    assert f"{protocol.num_items:,}" in items
    assert ("*" in items) != protocol.is_exact
    assert set(re.findall(r"`([\w-]+)`", metrics)) == set(protocol.metrics)
    assert ("judge" in metrics) == (protocol.judge is not None)


def test_every_protocol_of_llm_jp_eval_mm_and_our_own_is_on_the_page():
    others = {protocol for name in KNOWN_BENCHMARKS for protocol in protocols_of(name)} - {"all", "first-of-8"}
    assert others == {name for name in re.findall(r"`([\w-]+)`", PAGE) if name in others}


def test_every_file_of_published_numbers_is_on_the_page_with_how_many_it_has():
    counts = {
        table.source: sum(value is not None for model in table.models for value in model.values)
        for table in leaderboards()
    }
    assert sorted(counts.values()) == sorted(map(int, re.findall(r"\.yaml` \| (\d+) \|", PAGE)))
    assert sum(counts.values()) == 941
