"""The baseline of the benchmark follows the same rules as the SQL: it finds the same defects."""

import pytest

from pipeline.core.parquet import write_rows
from pipeline.data.samples import SAMPLE_SCHEMA
from tests.benchmarks.map_baseline import findings_by_map
from tests.planted_defects.defects import PLANTERS, planted_corpus
from tests.planted_defects.measure import found_in

pytestmark = pytest.mark.long

AGREEMENT = {"links_or_code_damaged": 0.8, "numbers_differ": 0.92}
"""Smallest shared part of the findings for checks whose rules differ in the two languages."""


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("baseline")
    samples, _ = planted_corpus(num_clean=300, num_per_check=20, seed=5)
    path = folder / "samples.parquet"
    write_rows(path, samples, schema=SAMPLE_SCHEMA)
    return found_in(samples), findings_by_map(path, num_processes=1, cache=folder)


def test_every_part_of_the_baseline_is_of_a_check(findings):
    by_sql, by_map = findings
    assert set(by_map) <= set(by_sql)


@pytest.mark.parametrize("check", sorted(set(PLANTERS) - {"polarity_flipped"}))
def test_the_baseline_finds_what_the_sql_finds(findings, check):
    by_sql, by_map = (found[check] for found in findings)
    assert by_sql
    shared = len(by_sql & by_map) / len(by_sql | by_map)
    assert shared >= AGREEMENT.get(check, 0.95), (sorted(by_sql ^ by_map, key=str)[:10], len(by_sql), len(by_map))
