import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from pipeline.core.errors import DataError, StoreError
from pipeline.data.images import IMAGE_SCHEMA
from pipeline.features.lookup import feature_map
from pipeline.store.artifacts import ArtifactStore
from tests.support.small_cache import publish_calibration, publish_features
from tests.support.small_shards import RMS
from tests.support.small_store import image_row, produce

REPOSITORY = Path(__file__).resolve().parents[2]
ONE, TWO, THREE = ("a1" + "0" * 62, "a2" + "0" * 62, "b" * 64)
NORMS = {ONE: 2.0, TWO: 3.0, THREE: 4.0}


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path))
    return ArtifactStore(tmp_path)


def publish_dataset(store, *images):
    rows = [image_row(f"{image}.jpg", image) for image in images]
    return produce(store, "dataset", {"images.parquet": (rows, IMAGE_SCHEMA)}, label=" ".join(images))


@pytest.fixture
def dataset(store):
    return publish_dataset(store, ONE, TWO, THREE)


def with_length(length: float) -> torch.Tensor:
    """Vectors of one length along the first channel, ``[S, T, V]``."""
    features = torch.zeros(2, 4, 3)
    features[..., 0] = length
    return features


@pytest.mark.parametrize("digits", [THREE, "b", "bbbb"])
def test_the_first_digits_of_an_image_are_enough(store, dataset, digits):
    publish_features(store, dataset, norms=NORMS)
    assert torch.equal(feature_map(digits), with_length(4))
    assert torch.equal(feature_map(digits, store_root=str(store.root)), with_length(4))


@pytest.mark.parametrize("page", ["data.md", "feature_cache.md"])
def test_the_one_liner_of_the_docs_works(store, dataset, page):
    publish_features(store, dataset, norms=NORMS)
    (line,) = re.findall(r"^python -c '(.*)'$", (REPOSITORY / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
    command = [sys.executable, "-c", line.replace("3f9a", "a2")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("(2, 4, 3)", "torch.Size([2, 4, 3])")


def test_two_datasets_with_the_image_give_the_same_features(store, dataset):
    publish_features(store, dataset, norms=NORMS)
    publish_features(store, publish_dataset(store, TWO), norms=NORMS)
    assert torch.equal(feature_map("a2"), with_length(3))


def test_digits_of_several_images_list_them(store, dataset):
    publish_features(store, dataset)
    message = f"2 images have a sha256 that begins with a; give more digits:\n  {ONE}\n  {TWO}"
    with pytest.raises(DataError, match=f"^{message}$"):
        feature_map("a")


def test_a_long_list_of_images_is_cut(store):
    publish_features(store, publish_dataset(store, *(f"c{number:x}" + "0" * 62 for number in range(12))))
    with pytest.raises(DataError, match=r"(?s)12 images have .*\n  and 2 more$"):
        feature_map("c")


def test_an_image_without_features_anywhere_is_said(store, dataset):
    publish_features(store, dataset)
    message = (
        f"no image whose sha256 begins with c0 has features in {store.root}; `llava-jp query cache_coverage` shows "
        "what is there, and the view images which sha256 an image has"
    )
    with pytest.raises(DataError, match=re.escape(message)):
        feature_map("c0")


@pytest.mark.parametrize("digits", ["", "cat.jpg", "A1", "a" * 65])
def test_what_is_no_sha256_is_refused(store, digits):
    with pytest.raises(DataError, match=f"'{digits}' is no sha256 of an image nor its first digits"):
        feature_map(digits)


def test_an_image_of_several_encoders_needs_a_choice(store, dataset):
    calibration = publish_calibration(store, dataset)
    exact = publish_features(store, dataset, norms=NORMS)
    small = publish_features(store, dataset, norms=NORMS, form="int8", calibration=calibration)
    publish_features(store, dataset, form="live")
    with pytest.raises(DataError) as caught:
        feature_map(ONE)
    lines = str(caught.value).splitlines()
    assert lines[0] == (
        f"image {ONE} was encoded in several ways; choose one with encoder='…', the first digits of any name here:"
    )
    assert sorted(lines[1:]) == sorted(
        [
            f"  {exact.summary['encoder']}  random tower, float32, exact, square, sides 32, 16 px "
            f"(features {exact.fingerprint}: ok)",
            f"  {small.summary['encoder']}  random tower, float32, int8, square, sides 32, 16 px, calibration "
            f"{calibration.fingerprint} (features {small.fingerprint}: ok)",
        ]
    )
    for name in (exact.summary["encoder"][:8], exact.fingerprint):
        assert torch.equal(feature_map(ONE, encoder=name), with_length(2))
    for name in (small.summary["encoder"], calibration.fingerprint):
        assert torch.allclose(feature_map(ONE, encoder=name), with_length(2), atol=RMS.max() / 127)


def test_an_encoder_that_did_not_encode_the_image_lists_those_that_did(store, dataset):
    features = publish_features(store, dataset)
    message = (
        f"no features of image {ONE} are of encoder 'x'; there are:\n  {features.summary['encoder']}  random tower"
    )
    with pytest.raises(DataError, match=message):
        feature_map(ONE, encoder="x")


def test_a_failed_image_says_why(store, dataset):
    publish_features(store, dataset, failed={ONE: "not a whole image"})
    with pytest.raises(DataError, match=f"image {ONE} has no features: not a whole image"):
        feature_map("a1")


def test_live_features_are_not_cached(store, dataset):
    publish_features(store, dataset, form="live")
    with pytest.raises(DataError, match=f"the features of image {ONE} are live: the trainer encodes it, and nothing"):
        feature_map("a1")


def test_only_the_shard_of_the_image_is_opened(store, dataset):
    features = publish_features(store, dataset, norms=NORMS, images_per_shard=1)
    places = {row["image_sha256"]: row["shard"] for row in pq.read_table(features.path("images.parquet")).to_pylist()}
    for image, shard in places.items():
        if image != TWO:
            shutil.rmtree(store.root / "artifacts/feature_shard" / shard)
    assert torch.equal(feature_map("a2"), with_length(3))
    with pytest.raises(StoreError, match=r"index\.parquet cannot be read: .* then the experiment again"):
        feature_map("a1")
