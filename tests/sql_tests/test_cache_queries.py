"""What the queries say of feature caches that can be checked by hand; 48 bytes an image and scale, 28 as int8."""

import json
import math
import shutil

import pytest

from pipeline.core.errors import QueryError
from pipeline.data.images import IMAGE_SCHEMA
from pipeline.data.samples import FINDING_SCHEMA, SAMPLE_SCHEMA
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.queries import connect, describe, query_names, run_query
from tests.support.small_cache import publish_calibration, publish_features
from tests.support.small_shards import key
from tests.support.small_store import image_row, produce, sample

NOT_MADE = "0" * 16
GONE = "/c.jpg: No such file or directory; it was there when the dataset was prepared"


def publish_dataset(store, label, images):
    """A dataset with a sample for every image path."""
    samples = [
        sample(path, index, "<image>\n何ですか。", "犬です。", image=path, sha256=sha256)
        for index, (path, sha256) in enumerate(images.items())
    ]
    rows = [image_row(path, sha256) for path, sha256 in images.items()]
    files = {
        "samples.parquet": (samples, SAMPLE_SCHEMA),
        "images.parquet": (rows, IMAGE_SCHEMA),
        "findings.parquet": ([], FINDING_SCHEMA),
    }
    return produce(store, "dataset", files, label=label)


def publish_experiment(store, name, **roles):
    """``dataset_pretrain=...``: the fingerprint of an artifact in the role ``dataset/pretrain``."""
    steps = [
        {"role": role.replace("_", "/"), "step": role.split("_")[0], "fingerprint": fingerprint}
        for role, fingerprint in roles.items()
    ]
    (store.root / "experiments").mkdir(exist_ok=True)
    text = json.dumps({"experiment": name, "steps": steps})
    (store.root / "experiments" / f"{name}.json").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Three experiments over two datasets: exact features, int8 features of one of them, live features.

    k1 is in both datasets, k5 twice in the second. k3, k4 and k7 of the first cannot be encoded exactly, nor k6 of the
    second. The shard of k9 belongs to nothing any more.
    """
    store = ArtifactStore(tmp_path_factory.mktemp("cache"))
    photos = {"a.jpg": key(1), "b.jpg": key(2), "c.jpg": key(3), "d.jpg": key(4), "g.jpg": key(7)}
    photos = publish_dataset(store, "photos", photos)
    talks = {"x/a.jpg": key(1), "e.jpg": key(5), "copy.jpg": key(5), "f.jpg": key(6)}
    talks = publish_dataset(store, "talks", talks)
    old = publish_dataset(store, "old", {"z.jpg": key(9)})
    calibration = publish_calibration(store, photos)
    reasons = {key(4): "not a whole image: 12 bytes", key(7): "not a whole image: 345 bytes", key(3): GONE}
    features = {
        "exact": publish_features(store, photos, failed=reasons).fingerprint,
        "exact talks": publish_features(store, talks, failed={key(6): "not a whole image: 6 bytes"}).fingerprint,
        "int8": publish_features(store, photos, form="int8", calibration=calibration).fingerprint,
        "int8 talks": NOT_MADE,
        "live": publish_features(store, photos, form="live").fingerprint,
        "live talks": publish_features(store, talks, form="live").fingerprint,
    }
    for name in ("exact", "int8", "live"):
        publish_experiment(
            store,
            name,
            dataset_pretrain=photos.fingerprint,
            dataset_finetune=talks.fingerprint,
            features_pretrain=features[name],
            features_finetune=features[f"{name} talks"],
        )
    shutil.rmtree(publish_features(store, old).directory)
    return store.root


def ask(root, name, *columns, **parameters):
    """The given columns of a query's rows."""
    result = run_query(name, store_root=root, parameters=parameters)
    chosen = [result.columns.index(column) for column in columns or result.columns]
    return [tuple(row[index] for index in chosen) for row in result.rows]


COUNTS = ("num_usable", "num_cached", "num_live", "num_failed", "num_lost", "num_missing")


def test_cache_coverage_tells_cached_live_failed_and_missing(root):
    assert ask(root, "cache_coverage", "experiment", "role", *COUNTS) == [
        ("exact", "dataset/finetune", 3, 2, 0, 1, 0, 0),
        ("exact", "dataset/pretrain", 5, 2, 0, 3, 0, 0),
        ("int8", "dataset/finetune", 3, 0, 0, 0, 0, 3),
        ("int8", "dataset/pretrain", 5, 5, 0, 0, 0, 0),
        ("live", "dataset/finetune", 3, 0, 3, 0, 0, 0),
        ("live", "dataset/pretrain", 5, 0, 5, 0, 0, 0),
    ]
    assert ask(root, "cache_coverage", "features_fingerprint", experiment="int8")[0] == (NOT_MADE,)


def test_cache_coverage_counts_images_of_lost_shards(root, tmp_path):
    shutil.copytree(root, tmp_path / "store")
    shutil.rmtree(tmp_path / "store/artifacts/feature_shard")
    rows = ask(tmp_path / "store", "cache_coverage", *COUNTS, experiment="exact")
    assert rows == [(3, 0, 0, 1, 2, 0), (5, 0, 0, 3, 2, 0)]


def test_failures_are_counted_by_reason_without_file_and_numbers(root):
    columns = ("role", "reason", "num_images", "num_samples", "example_image", "example_reason")
    assert ask(root, "feature_failures_by_reason", *columns, experiment="exact") == [
        ("features/finetune", "not a whole image: N bytes", 1, 1, "f.jpg", "not a whole image: 6 bytes"),
        ("features/pretrain", "not a whole image: N bytes", 2, 2, "d.jpg", "not a whole image: 12 bytes"),
        ("features/pretrain", GONE.replace("/c.jpg", "FILE"), 1, 1, "c.jpg", GONE),
    ]
    assert ask(root, "feature_failures_by_reason", "num_images", min_images="2") == [(2,)]
    assert ask(root, "feature_failures_by_reason", experiment="int8") == []


def test_bytes_per_encoder_says_what_is_used(root):
    columns = ("form", "num_shards", "num_images", "num_failed", "payload_bytes", "bytes_per_image")
    users = ("num_experiments", "num_used_images", "num_unused_shards", "unused_gigabytes")
    assert ask(root, "bytes_per_encoder", *columns, *users) == [
        ("exact", 3, 4, 4, 384, 96, 1, 3, 1, 0),
        ("int8", 1, 5, 0, 280, 56, 1, 5, 0, 0),
    ]


def test_bytes_per_encoder_says_how_the_features_were_made(root):
    exact, small = ask(
        root, "bytes_per_encoder", "tower", "dtype", "layout", "image_sides", "versions", "encoder", "calibration"
    )
    assert exact[:4] == ("random", "float32", "square", [32, 16])
    assert len(exact[4]) == 1
    assert exact[4][0].startswith("torch 2.")
    assert exact[4][0].endswith(": 3")
    assert exact[6] is None
    assert small[5] != exact[5]
    assert (root / "artifacts/feature_calibration" / small[6]).is_dir()


def test_duplicate_images_are_counted_by_the_places_that_share_them(root):
    columns = ("datasets", "sources", "num_images", "num_places", "num_saved", "saved_bytes", "example")
    assert ask(root, "duplicate_images", *columns, "example_paths", experiment="exact") == [
        (["dataset/finetune"], ["coco"], 1, 2, 1, 96, key(5), ["copy.jpg", "e.jpg"]),
        (["dataset/finetune", "dataset/pretrain"], ["coco"], 1, 2, 1, 96, key(1), ["a.jpg", "x/a.jpg"]),
    ]
    assert ask(root, "duplicate_images", "example", limit="1") == [(key(5),)]


def test_duplicates_without_features_save_nothing_yet(tmp_path):
    store = ArtifactStore(tmp_path)
    datasets = [publish_dataset(store, label, {f"{label}.jpg": key(1)}).fingerprint for label in ("one", "two")]
    assert ask(tmp_path, "duplicate_images", "encoder", "datasets", "num_saved", "saved_bytes") == [
        (None, sorted(datasets), 1, 0)
    ]


NORMS = {key(number): norm for number, norm in enumerate((10.0, 11.0, 12.0, 13.0, 14.0, 100.0))}


@pytest.fixture
def outliers(tmp_path):
    """Seven images whose vectors have the lengths 10, 11, 12, 13, 14, 100 and infinite."""
    store = ArtifactStore(tmp_path)
    norms = {**NORMS, key(6): math.inf}
    data = publish_dataset(store, "photos", {f"{number}.jpg": key(number) for number in range(7)})
    publish_features(store, data, norms=norms)
    publish_features(store, data, norms=dict.fromkeys(norms, 5.0), form="exact-zstd")
    return tmp_path


def test_outliers_are_measured_in_robust_deviations_and_not_finite_ones_come_first(outliers):
    # the median of the finite is 12.5, their distances 2.5, 1.5, 0.5, 0.5, 1.5, 87.5, and the median of these 1.5
    far = 87.5 / (1.4826 * 1.5)
    columns = ("image", "is_finite", "image_side", "measure", "norm", "median_norm", "deviation")
    assert ask(outliers, "feature_outliers", *columns) == [
        ("6.jpg", False, None, None, None, None, None),
        ("5.jpg", True, 16, "mean_norm", 100, 12.5, pytest.approx(far)),
    ]
    assert ask(outliers, "feature_outliers", "image", min_deviation=str(far + 0.01)) == [("6.jpg",)]
    assert ask(outliers, "feature_outliers", "image", min_deviation="1.1") == [("6.jpg",), ("5.jpg",), ("0.jpg",)]
    assert ask(outliers, "feature_outliers", "image", limit="1") == [("6.jpg",)]


def test_outliers_of_one_encoder(outliers):
    ((encoder,), _) = ask(outliers, "feature_outliers", "encoder")
    assert len(ask(outliers, "feature_outliers", encoder=encoder[:6])) == 2
    (known,) = {row[0] for row in ask(outliers, "bytes_per_encoder", "encoder", "form") if row[1] == "exact"}
    assert encoder == known


def test_one_different_image_among_equal_ones_is_far_from_them(tmp_path):
    store = ArtifactStore(tmp_path)
    data = publish_dataset(store, "photos", {f"{number}.jpg": key(number) for number in range(10)})
    publish_features(store, data, norms={key(3): 2.0})
    # every other norm is 1, so the distances are 1 and nine times 0, and their mean 0.1
    assert ask(tmp_path, "feature_outliers", "image", "deviation") == [("3.jpg", pytest.approx(10 / 1.2533))]


def test_the_views_show_one_image_with_all_that_is_known(root):
    with connect(root) as connection:
        row = connection.sql(
            f"select status, source_width, source_height, is_finite, mean_norms, max_norms, num_bytes, payload_bytes "
            f"from cached_features where image_sha256 = '{key(2)}' and calibration is null"
        ).fetchall()
        failures = connection.sql("select image_sha256 from feature_failures order by all").fetchall()
        lost = connection.sql("select count(*), count(*) filter (is_lost) from artifact_parts").fetchall()
    assert row == [("ok", 640, 480, True, [1, 1], [1, 1], [48, 48], 96)]
    assert failures == [(key(3),), (key(4),), (key(6),), (key(7),)]
    assert lost == [(4, 0)]


def test_a_misspelled_encoder_is_not_an_empty_answer(root):
    known = ", ".join(sorted(row[0] for row in ask(root, "bytes_per_encoder", "encoder")))
    with pytest.raises(QueryError, match=rf"no cached features are of an encoder 'x' \(encoder\); there are: {known}$"):
        ask(root, "feature_outliers", encoder="x")


@pytest.mark.parametrize("name", query_names())
def test_no_query_reads_the_features(root, tmp_path, name):
    store = tmp_path / "store"
    shutil.copytree(root, store, ignore=shutil.ignore_patterns("features.parquet"))
    needed = {parameter.name: "exact" for parameter in describe(name).parameters if parameter.is_required}
    assert ask(store, name, **needed) == ask(root, name, **needed)
