import hashlib
import json
import shutil

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from model.config import RandomVisionTower, VisionTowerConfig
from model.vision_tower import build_vision_tower, pixels_of
from pipeline.config import FeatureConfig
from pipeline.encoding import default_device, encode_pixels
from pipeline.errors import DataError, StoreError
from pipeline.feature_cache import FailedImage, FeatureReader, FeatureShape, shard_failures, write_shard
from pipeline.features import cache_features
from pipeline.images import ImageReader, decode
from pipeline.parquet_pages import row_offsets
from pipeline.preparation import prepare_dataset
from pipeline.store import ArtifactStore
from tests.pipeline_tests.small_data import local_source, picture, talk

CONFIG = FeatureConfig(image_size=32, scales=(1.0, 0.5), images_per_shard=2)
SHAPE = FeatureShape(num_scales=2, num_tokens=4, width=3, dtype="float32")
"""What ``rows`` and ``shard`` hold."""


def tower(dtype: str = "float32") -> VisionTowerConfig:
    weights = RandomVisionTower(
        kind="random",
        tile_size=16,
        patch_size=8,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
    )
    return VisionTowerConfig(weights=weights, dtype=dtype)


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))
    return ArtifactStore(tmp_path / "store")


def dataset(folder, store, *shades: int):
    """A dataset with a picture of every shade."""
    records = [talk(f"{shade}", f"{shade}.png") for shade in shades]
    images = {f"{shade}.png": picture(shade) for shade in shades}
    return prepare_dataset(local_source(folder, records, images), store=store)


def rows(count: int) -> list[tuple[str, torch.Tensor]]:
    """Keys and features that count upwards."""
    return [(f"key-{index:03d}", torch.arange(24.0).reshape(2, 4, 3) + 100 * index) for index in range(count)]


def shard(folder, count: int, name: str = "shard-00000.parquet"):
    path = folder / name
    write_shard(path, rows(count), shape=SHAPE, failures=())
    return path


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_cached_features_are_the_live_ones_to_the_bit(tmp_path, store, dtype):
    data = dataset(tmp_path, store, *range(5))
    manifest = cache_features(tower(dtype), CONFIG, datasets={"pretrain": data}, store=store)
    assert manifest.summary == {
        "num_images": 5,
        "num_failed": 0,
        "num_shards": 3,
        "bytes_per_image": 2 * 4 * 16 * (4 if dtype == "float32" else 2),
        "num_vision_tokens": 4,
        "num_channels": 32,
    }
    images, live = ImageReader([data]), build_vision_tower(tower(dtype)).to(default_device())
    usable = images.usable()
    with FeatureReader(manifest.directory) as reader:
        assert len(reader) == 5
        for start in range(0, 5, 2):
            keys = usable[start : start + 2]
            pixels = [pixels_of(decode(images.read(key)), image_size=32) for key in keys]
            for key, expected in zip(keys, encode_pixels(live, pixels, CONFIG), strict=True):
                cached = reader.read(key)
                assert cached.dtype == getattr(torch, dtype)
                assert cached.shape == (2, 4, 16)
                assert torch.equal(cached, expected)


def test_different_images_have_different_features(tmp_path, store):
    manifest = cache_features(tower(), CONFIG, datasets={"pretrain": dataset(tmp_path, store, 1, 200)}, store=store)
    with FeatureReader(manifest.directory) as reader:
        one, other = (reader.read(sha256_of(picture(shade))) for shade in (1, 200))
    assert not torch.allclose(one, other, atol=1e-3)


def test_an_image_in_two_datasets_is_encoded_once(tmp_path, store):
    datasets = {
        "pretrain": dataset(tmp_path / "one", store, 1, 2),
        "finetune": dataset(tmp_path / "two", store, 2, 3),
    }
    manifest = cache_features(tower(), CONFIG, datasets=datasets, store=store)
    keys = [key for path in sorted(manifest.directory.glob("shard-*")) for key in pq.read_table(path)[0].to_pylist()]
    assert keys == sorted(sha256_of(picture(shade)) for shade in (1, 2, 3))
    assert manifest.summary["num_images"] == 3


def test_finished_shards_of_an_interrupted_call_are_kept(tmp_path, store):
    datasets = {"pretrain": dataset(tmp_path, store, *range(5))}
    whole = cache_features(tower(), CONFIG, datasets=datasets, store=store)
    partial = store.partial_directory(whole.request)
    partial.mkdir(parents=True)
    shutil.move(whole.path("shard-00001.parquet"), partial)
    (partial / "shard-00002.parquet.tmp").write_bytes(b"half a shard")
    shutil.rmtree(whole.directory)
    before = (partial / "shard-00001.parquet").stat()
    again = cache_features(tower(), CONFIG, datasets=datasets, store=store)
    after = again.path("shard-00001.parquet").stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    assert again.files == whole.files
    assert again.summary == whole.summary


def test_an_image_that_cannot_be_read_any_more_is_a_row_with_a_reason(tmp_path, store):
    data = dataset(tmp_path, store, 1, 2, 3)
    (tmp_path / "images" / "2.png").write_bytes(b"changed")
    (tmp_path / "images" / "3.png").unlink()
    manifest = cache_features(tower(), CONFIG, datasets={"pretrain": data}, store=store)
    assert (manifest.summary["num_images"], manifest.summary["num_failed"]) == (1, 2)
    reasons = {
        row["image_sha256"]: row["reason"] for row in pq.read_table(manifest.path("failures.parquet")).to_pylist()
    }
    folder = tmp_path / "images"
    assert reasons == {
        sha256_of(picture(2)): f"{folder}/2.png changed since the dataset was prepared; prepare the dataset again",
        sha256_of(picture(3)): f"{folder}/3.png: No such file or directory; it was there when the dataset was prepared",
    }
    with FeatureReader(manifest.directory) as reader:
        assert sha256_of(picture(1)) in reader
        assert sha256_of(picture(2)) not in reader


def test_a_dataset_of_text_alone_has_no_shards(tmp_path, store):
    data = prepare_dataset(local_source(tmp_path, [talk("1", None)], {}), store=store)
    manifest = cache_features(tower(), CONFIG, datasets={"pretrain": data}, store=store)
    assert [file.path for file in manifest.files] == ["failures.parquet"]
    with FeatureReader(manifest.directory) as reader:
        assert len(reader) == 0
        assert reader.shape is None


def test_failures_travel_in_the_metadata_of_their_shard(tmp_path):
    failures = [FailedImage("abc", "a.png: 壊れている")]
    write_shard(tmp_path / "shard-00000.parquet", [], shape=SHAPE, failures=failures)
    assert shard_failures(tmp_path / "shard-00000.parquet") == failures


@pytest.mark.parametrize("count", [1, 63, 64, 65, 130])
def test_a_row_is_found_where_pyarrow_reads_it(tmp_path, count):
    path = shard(tmp_path, count)
    offsets = row_offsets(path, column="features", row_bytes=SHAPE.row_bytes)
    payloads = pq.read_table(path, columns=["features"])[0].to_pylist()
    content = path.read_bytes()
    assert [content[offset : offset + 96] for offset in offsets] == payloads
    assert len(offsets) == count


def test_a_reader_gives_back_what_was_written(tmp_path):
    shard(tmp_path, 130)
    with FeatureReader(tmp_path) as reader:
        assert reader.shape == SHAPE
        assert reader.read("key-129").tolist() == rows(130)[129][1].tolist()


@pytest.mark.parametrize(
    "options", [{"compression": "zstd", "use_dictionary": False}, {"compression": "none", "use_dictionary": True}]
)
def test_a_compressed_file_or_one_with_a_dictionary_is_refused(tmp_path, options):
    pq.write_table(pq.read_table(shard(tmp_path, 3)), tmp_path / "other.parquet", **options)
    message = r"other\.parquet: column 'features' is compressed or has a dictionary; rows cannot be addressed"
    with pytest.raises(StoreError, match=message):
        row_offsets(tmp_path / "other.parquet", column="features", row_bytes=96)


def test_a_column_that_may_be_null_is_refused(tmp_path):
    table = pa.table({"features": pa.array([b"1234", None], pa.binary(4))})
    pq.write_table(table, tmp_path / "a.parquet", compression="none", use_dictionary=False)
    with pytest.raises(StoreError, match="bytes for 2 rows of 4"):
        row_offsets(tmp_path / "a.parquet", column="features", row_bytes=4)


def test_pages_of_the_second_version_are_refused(tmp_path):
    table = pq.read_table(shard(tmp_path, 3))
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, compression="none", use_dictionary=False, data_page_version="2.0")
    with pytest.raises(StoreError, match=r"the page at byte \d+ is not a PLAIN data page"):
        row_offsets(path, column="features", row_bytes=96)


def test_rows_of_another_length_are_refused(tmp_path):
    path = shard(tmp_path, 3)
    with pytest.raises(StoreError, match=r"the page at byte \d+ has 96 bytes for 1 rows of 95"):
        row_offsets(path, column="features", row_bytes=95)


def test_shards_of_different_shapes_are_refused(tmp_path):
    shard(tmp_path, 1)
    other = FeatureShape(num_scales=1, num_tokens=4, width=3, dtype="float32")
    write_shard(tmp_path / "shard-00001.parquet", [("x", torch.zeros(1, 4, 3))], shape=other, failures=())
    with pytest.raises(StoreError, match="holds features of another shape than the shards before it"):
        FeatureReader(tmp_path)


def test_an_image_without_features_is_named(tmp_path):
    shard(tmp_path, 1)
    message = "no cached features for image abc; `llava-jp query cache_coverage` shows what is there"
    with FeatureReader(tmp_path) as reader, pytest.raises(DataError, match=message):
        reader.read("abc")


def test_a_shard_that_was_cut_while_it_was_open_is_noticed(tmp_path):
    path = shard(tmp_path, 2)
    with FeatureReader(tmp_path) as reader:
        with path.open("r+b") as file:
            file.truncate(100)
        with pytest.raises(StoreError, match=r"shard-00000\.parquet ends before byte \d+; run `llava-jp verify`"):
            reader.read("key-001")


def test_others_can_read_what_a_shard_holds(tmp_path):
    path = shard(tmp_path, 3)
    table = pq.read_table(path)
    assert table["is_finite"].to_pylist() == [True] * 3
    assert table["mean_norm"].to_pylist()[0] == pytest.approx(
        sum((3 * a * a + 5 + 6 * a) ** 0.5 for a in range(0, 24, 3)) / 8
    )
    assert json.loads(pq.read_schema(path).metadata[b"feature_shape"]) == {
        "num_scales": 2,
        "num_tokens": 4,
        "width": 3,
        "dtype": "float32",
    }
    with duckdb.connect() as database:
        counted = database.execute(
            "select count(*), min(image_sha256), min(octet_length(features)) from read_parquet(?)", [str(path)]
        ).fetchone()
        stored = database.execute(
            "select decode(value) from parquet_kv_metadata(?) where decode(key) = 'feature_shape'", [str(path)]
        ).fetchone()
    assert counted == (3, "key-000", 96)
    assert json.loads(stored[0])["num_tokens"] == 4


def test_features_that_are_not_finite_are_marked(tmp_path):
    bad = torch.full((2, 4, 3), float("nan"))
    write_shard(tmp_path / "a.parquet", [("x", bad), *rows(1)], shape=SHAPE, failures=())
    assert pq.read_table(tmp_path / "a.parquet")["is_finite"].to_pylist() == [False, True]


def test_a_flipped_byte_is_found(tmp_path, store):
    manifest = cache_features(tower(), CONFIG, datasets={"pretrain": dataset(tmp_path, store, 1, 2)}, store=store)
    path = manifest.path("shard-00000.parquet")
    content = bytearray(path.read_bytes())
    content[row_offsets(path, column="features", row_bytes=512)[1] + 7] ^= 1
    path.write_bytes(content)
    (problem,) = store.verify(manifest)
    assert problem.startswith("shard-00000.parquet changed: its sha256 is not ")
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(path, page_checksum_verification=True)
