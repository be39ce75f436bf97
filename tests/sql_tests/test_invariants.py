"""A healthy store breaks no invariant; each planted defect breaks the one that is about it."""

import math

import pytest

from pipeline.queries import broken_invariants, sql_files
from tests.sql_tests.small_store import ANSWERS, build

DEFECTS = {
    "usable_image_without_features": ({"failed": ()}, ("h2", "2.jpg")),
    "features_not_finite": ({"is_finite": False}, ("shard-00000.parquet", "h1")),
    "image_cached_twice": ({"cached": ("h1", "h1")}, ("h1", 2)),
    "accepted_sample_with_rejecting_finding": ({"accepted": ("a1", "a2", "a3")}, ("a2", "untranslated")),
    "sample_neither_accepted_nor_rejected": ({"accepted": ("a1",)}, ("a3",)),
    "counts_differ": ({"num_rejected": 0}, ("rejected records", 0, 1)),
    "item_without_prediction": ({"answers": {"one": {"i1": "赤", "i2": "青"}}}, ("i3",)),
    "prediction_without_score": ({"answers": {"one": ANSWERS["one"]}, "scored": ("i1", "i2")}, ("i3",)),
    "loss_not_finite": ({"answers": {"one": ANSWERS["one"]}, "losses": (4.0, math.inf)}, (2, math.inf)),
}


def test_a_healthy_store_breaks_no_invariant(tmp_path):
    assert broken_invariants(build(tmp_path).root) == {}


def test_an_empty_store_breaks_no_invariant(tmp_path):
    assert broken_invariants(tmp_path) == {}


def test_every_invariant_has_a_defect_here():
    assert set(DEFECTS) == set(sql_files("checks/invariants"))


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_found(tmp_path, name):
    changes, expected = DEFECTS[name]
    rows = broken_invariants(build(tmp_path, **changes).root)[name].rows
    assert rows[0][-len(expected) :] == expected


def test_counts_are_compared_both_ways(tmp_path):
    result = broken_invariants(build(tmp_path, accepted=("a1",)).root)["counts_differ"]
    assert [row[2:] for row in result.rows] == [("accepted and rejected samples", 3, 2), ("accepted samples", 2, 1)]
