"""A healthy store breaks no invariant; each planted defect breaks the one that is about it."""

import hashlib
import math
import shutil

import pytest

from pipeline.store.queries import broken_invariants
from pipeline.store.sql_files import sql_files
from tests.support.small_cache import damage, miscount, publish_features
from tests.support.small_judgements import damage_judgements, miscount_judgements
from tests.support.small_store import ANSWERS, build, produce

DEFECTS = {
    "accepted_sample_with_rejecting_finding": ({"accepted": ("a1", "a2", "a3")}, ("a2", "untranslated")),
    "sample_neither_accepted_nor_rejected": ({"accepted": ("a1",)}, ("a3",)),
    "counts_differ": ({"num_rejected": 0}, ("rejected records", 0, 1)),
    "item_without_prediction": ({"answers": {"one": {"i1": "赤", "i2": "青"}}}, ("i3",)),
    "prediction_without_score": ({"answers": {"one": ANSWERS["one"]}, "scored": ("i1", "i2")}, ("i3",)),
    "loss_not_finite": ({"answers": {"one": ANSWERS["one"]}, "losses": (4.0, math.inf)}, (2, math.inf)),
}

STEPS = {"images": "features", "index": "feature_shard"}


def change(file, row, **values):
    """A defect: other values in a row of ``images.parquet`` (features) or ``index.parquet`` (a shard)."""
    return lambda store: damage(store, STEPS[file], f"{file}.parquet", lambda rows: rows[row].update(values))


def lose(file, row):
    return lambda store: damage(store, STEPS[file], f"{file}.parquet", lambda rows: rows.pop(row))


def repeat(file, row):
    return lambda store: damage(store, STEPS[file], f"{file}.parquet", lambda rows: rows.append(rows[row]))


def lose_shard(store):
    shutil.rmtree(store.root / "artifacts" / "feature_shard")


def sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def shards_of(store) -> list[str]:
    return sorted(path.name for path in (store.root / "artifacts" / "feature_shard").iterdir())


FIRST, SECOND = 0, 1  # h1 is cached, h2 is failed

CACHE_DEFECTS = [
    ("usable_image_without_features", lose("images", SECOND), ("h2", "2.jpg")),
    ("features_of_unusable_image", change("images", SECOND, image_sha256="h3"), ("h3",)),
    ("image_twice_in_features", repeat("images", FIRST), ("h1", 2)),
    ("image_twice_in_shard", repeat("index", FIRST), ("h1", 2)),
    ("features_not_finite", change("index", FIRST, is_finite=False), ("h1",)),
    ("features_not_finite", change("index", FIRST, is_finite=None), ("h1",)),
    ("unclear_feature_status", change("images", FIRST, shard=None), ("h1", "ok")),
    ("unclear_feature_status", change("images", FIRST, reason="why"), ("h1", "ok")),
    ("unclear_feature_status", change("images", FIRST, status="live"), ("h1", "live")),
    ("unclear_feature_status", change("images", FIRST, status="lost"), ("h1", "lost")),
    ("unclear_feature_status", change("images", SECOND, reason=None), ("h2", "failed")),
    ("unclear_feature_status", change("index", SECOND, reason=""), ("h2", "failed")),
    ("unclear_feature_status", change("index", FIRST, source_width=None), ("h1", "ok")),
    ("unclear_feature_status", change("index", FIRST, mean_norms=[1.0]), ("h1", "ok")),
    ("lost_feature_shard", lose_shard, (2,)),
    ("lost_feature_shard", change("images", FIRST, shard="f" * 16), ("f" * 16, 1)),
    ("image_not_in_its_shard", lose("index", FIRST), ("h1", "ok")),
    ("image_not_in_its_shard", change("index", SECOND, status="ok"), ("h2", "failed")),
    ("image_not_in_its_shard", change("images", SECOND, status="ok", reason=None), ("h2", "ok")),
    ("shard_of_other_images", lose("index", SECOND), (sha256_of("h1\nh2"), sha256_of("h1"))),
    ("shard_of_other_images", change("index", FIRST, image_sha256="h3"), (sha256_of("h1\nh2"), sha256_of("h2\nh3"))),
    ("payload_out_of_place", change("index", FIRST, num_bytes=[48, 47]), (47, 48)),
    ("payload_out_of_place", change("index", FIRST, offsets=[100, 10**9]), ("h1", 16, 10**9, 48, 48)),
    ("feature_counts_differ", lambda store: miscount(store, "features", num_images=2), ("num_images", 2, 1)),
    ("feature_counts_differ", lambda store: miscount(store, "features", num_failed=0), ("num_failed", 0, 1)),
    ("feature_counts_differ", lambda store: miscount(store, "features", num_shards=3), ("num_shards", 3, 1)),
    ("feature_counts_differ", lambda store: miscount(store, "features", payload_bytes=95), ("payload_bytes", 95, 96)),
    ("feature_counts_differ", lambda store: miscount(store, "feature_shard", num_images=3), ("num_images", 3, 1)),
    ("feature_counts_differ", lambda store: miscount(store, "feature_shard", num_failed=3), ("num_failed", 3, 1)),
    ("feature_counts_differ", change("index", FIRST, num_bytes=[48, 47]), ("payload_bytes", 96, 95)),
]


def judged(index, **values):
    """A defect: other values in a row of ``judgements.parquet``."""
    return lambda store: damage_judgements(store, lambda rows: rows[index].update(values))


JUDGE_DEFECTS = [
    ("unclear_judgement", judged(0, reference_score=None), ("i1", 0, "ok", None, 10)),
    ("unclear_judgement", judged(0, model_score=11.0), ("i1", 0, "ok", 10, 11)),
    ("unclear_judgement", judged(0, model_score=-1.0), ("i1", 0, "ok", 10, -1)),
    ("unclear_judgement", judged(0, status="unreadable", reason="why"), ("i1", 0, "unreadable", 10, 10)),
    ("unclear_judgement", judged(0, reason="why"), ("i1", 0, "ok", 10, 10)),
    ("unclear_judgement", judged(0, replies=[]), ("i1", 0, "ok", 10, 10)),
    ("unclear_judgement", judged(0, status="perhaps"), ("i1", 0, "perhaps", 10, 10)),
    ("answer_without_judgement", lambda store: damage_judgements(store, lambda rows: rows.pop()), ("i3", 1, 0)),
    (
        "answer_without_judgement",
        lambda store: damage_judgements(store, lambda rows: rows.append(rows[0])),
        ("i1", 0, 2),
    ),
    ("judgements_of_several_judges", judged(0, served_model="mini"), ("judge", ["judge", "mini"], 1)),
    ("judgements_of_several_judges", judged(0, prompt_sha256="b" * 64), ("judge", ["judge"], 2)),
    ("judgement_counts_differ", lambda store: miscount_judgements(store, num_items=4), ("num_items", 4, 3)),
    ("judgement_counts_differ", lambda store: miscount_judgements(store, num_judgements=7), ("num_judgements", 7, 6)),
    ("judgement_counts_differ", lambda store: miscount_judgements(store, num_failed=5), ("num_failed", 5)),
]


@pytest.mark.parametrize(("name", "plant", "expected"), JUDGE_DEFECTS)
def test_a_defect_of_judgements_is_found(tmp_path, name, plant, expected):
    store = build(tmp_path, answers={"one": {"i1": "赤", "i2": "緑", "i3": "二つ"}})
    plant(store)
    (row,) = broken_invariants(store.root)[name].rows
    assert row[1 : 1 + len(expected)] == expected


def test_a_healthy_store_breaks_no_invariant(tmp_path):
    assert broken_invariants(build(tmp_path).root) == {}


@pytest.mark.parametrize("form", ["exact-zstd", "live"])
def test_every_form_of_features_breaks_no_invariant(tmp_path, form):
    store = build(tmp_path)
    for dataset in store.manifests("dataset"):
        publish_features(store, dataset, form=form)
    assert broken_invariants(store.root) == {}


def test_an_empty_store_breaks_no_invariant(tmp_path):
    assert broken_invariants(tmp_path) == {}


def test_every_invariant_has_a_defect_here():
    assert set(DEFECTS) | {name for name, _, _ in [*CACHE_DEFECTS, *JUDGE_DEFECTS]} == set(
        sql_files("checks/invariants")
    )


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_found(tmp_path, name):
    changes, expected = DEFECTS[name]
    rows = broken_invariants(build(tmp_path, **changes).root)[name].rows
    assert rows[0][-len(expected) :] == expected


@pytest.mark.parametrize(("name", "plant", "expected"), CACHE_DEFECTS)
def test_a_defect_of_the_feature_cache_is_found(tmp_path, name, plant, expected):
    store = build(tmp_path)
    plant(store)
    rows = broken_invariants(store.root)[name].rows
    assert len(rows) == 1
    assert rows[0][-len(expected) :] == expected


def test_a_lost_shard_is_reported_once_and_its_images_are_not(tmp_path):
    store = build(tmp_path)
    (shard,) = shards_of(store)
    lose_shard(store)
    (features,) = store.manifests("features")
    broken = broken_invariants(store.root)
    assert {name: result.rows for name, result in broken.items()} == {
        "lost_feature_shard": ((features.fingerprint, shard, 2),)
    }


def test_no_check_reads_the_features(tmp_path):
    store = build(tmp_path)
    for path in store.root.glob("artifacts/feature_shard/*/features.parquet"):
        path.unlink()
    assert broken_invariants(store.root) == {}


def test_features_that_the_first_version_made_are_left_alone(tmp_path):
    store = build(tmp_path)
    (dataset, _) = store.manifests("dataset")
    produce(store, "features", {}, summary={"num_images": 2}, inputs={"pretrain": dataset.fingerprint})
    assert broken_invariants(store.root) == {}


def test_counts_are_compared_both_ways(tmp_path):
    result = broken_invariants(build(tmp_path, accepted=("a1",)).root)["counts_differ"]
    assert [row[2:] for row in result.rows] == [("accepted and rejected samples", 3, 2), ("accepted samples", 2, 1)]
