import json
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import DataError, StoreError
from pipeline.features.parquet_pages import row_places
from pipeline.features.reader import FeatureReader
from pipeline.features.shards import FailedImage
from pipeline.features.storage import FeatureShape, pack, unpack
from pipeline.store.artifacts import ArtifactStore
from tests.support.small_shards import RMS, SHAPE, encoded, features, key, publish_features, publish_shard

FORMS = ("exact", "exact-zstd", "int8")


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path)


def in_form(form: str, dtype: str = "float32") -> FeatureShape:
    return replace(SHAPE, form=form, dtype=dtype)


def reader_of(store, *batches, shape=SHAPE, **options) -> FeatureReader:
    return FeatureReader(publish_features(store, [publish_shard(store, batches, shape)]).directory, **options)


def payload_file(store):
    (path,) = (store.root / "artifacts" / "feature_shard").glob("*/features.parquet")
    return path


@pytest.mark.parametrize("form", ["exact", "exact-zstd"])
@pytest.mark.parametrize("count", [1, 63, 64, 65, 130])
def test_a_reader_gives_back_what_was_written(store, form, count):
    shape = in_form(form)
    batches = [encoded(range(start, min(start + 30, count)), shape) for start in range(0, count, 30)]
    with reader_of(store, *batches, shape=shape) as reader:
        assert len(reader) == count
        assert reader.shape == shape
        for number in {0, count // 2, count - 1}:
            assert reader.read(key(number)).tolist() == features(number).tolist()


@pytest.mark.parametrize("form", ["exact", "exact-zstd"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_exact_forms_keep_every_bit(form, dtype):
    bits = torch.randint(0, 2**15, (3, 2, 4, 3), dtype=torch.int16, generator=torch.Generator().manual_seed(0))
    values = bits.view(torch.bfloat16) if dtype == "bfloat16" else bits.view(torch.float16).to(getattr(torch, dtype))
    shape = in_form(form, dtype)
    packed = pack(values, shape, None)
    assert packed.shape == (3, 2, shape.payload_bytes)
    assert torch.equal(unpack(packed, shape, None).view(torch.uint8), values.view(torch.uint8))


def test_byte_planes_put_all_low_bytes_before_all_high_bytes():
    shape = FeatureShape(sides=(16,), num_tokens=1, width=2, dtype="bfloat16", form="exact-zstd")
    values = torch.tensor([1.0, -2.0], dtype=torch.bfloat16).reshape(1, 1, 1, 2)  # 0x3F80 and 0xC000
    assert pack(values, shape, None).tolist() == [[[0x80, 0x00, 0x3F, 0xC0]]]


def test_int8_stores_a_scale_per_token_and_steps_of_channels_divided_by_their_rms():
    shape = FeatureShape(sides=(16,), num_tokens=2, width=3, dtype="float32", form="int8")
    values = torch.tensor([[[[127.0, 0.5, -1.0], [0.0, 0.0, 0.0]]]])
    rms = torch.tensor([[1.0, 0.5, 1.0]])
    packed = pack(values, shape, rms)
    assert packed[0, 0, :8].clone().view(torch.float32).tolist() == [1.0, 1.0]
    assert packed[0, 0, 8:].view(torch.int8).tolist() == [127, 1, -1, 0, 0, 0]
    assert unpack(packed, shape, rms).tolist() == values.tolist()


def test_the_channel_rms_keeps_small_channels_beside_an_outlier():
    shape = FeatureShape(sides=(16,), num_tokens=100, width=64, dtype="float32", form="int8")
    values = torch.randn(1, 1, 100, 64, generator=torch.Generator().manual_seed(0))
    values[..., 0] *= 60
    ordinary = values[..., 1:]

    def error(rms):
        restored = unpack(pack(values, shape, rms), shape, rms)[..., 1:]
        return float((restored - ordinary).norm() / ordinary.norm())

    assert error(values.square().mean(dim=(0, 2)).sqrt()) < 0.01
    assert error(torch.ones(1, 64)) > 0.1


def test_features_that_are_not_numbers_stay_so_in_int8():
    shape = FeatureShape(sides=(16,), num_tokens=2, width=2, dtype="float32", form="int8")
    values = torch.tensor([[[[float("nan"), 1.0], [2.0, 1.0]]]])
    restored = unpack(pack(values, shape, torch.ones(1, 2)), shape, torch.ones(1, 2))
    assert restored[0, 0, 0].isnan().all()
    assert restored[0, 0, 1].tolist() == pytest.approx([2.0, 1.0], abs=0.01)


NUMBERS = st.floats(-(2.0**90), 2.0**90, width=32).map(lambda number: number if abs(number) > 2.0**-60 else 0.0)


@settings(max_examples=50, deadline=None)
@given(
    values=st.lists(NUMBERS, min_size=12, max_size=12),
    rms=st.lists(st.floats(2.0**-20, 2.0**20, width=32), min_size=3, max_size=3),
)
def test_int8_is_within_half_a_step_of_any_features(values, rms):
    shape = FeatureShape(sides=(16,), num_tokens=4, width=3, dtype="float32", form="int8")
    original, channel_rms = torch.tensor(values).reshape(1, 1, 4, 3), torch.tensor([rms])
    restored = unpack(pack(original, shape, channel_rms), shape, channel_rms)
    half_a_step = (original / channel_rms).abs().amax(dim=-1, keepdim=True) / 127 / 2 * channel_rms
    assert ((restored - original).abs() <= half_a_step * 1.01).all()


@pytest.mark.parametrize("form", FORMS)
def test_a_row_is_found_where_pyarrow_reads_it(store, form):
    shape = in_form(form)
    with reader_of(store, encoded(range(70), shape), shape=shape):
        path = payload_file(store)
    for side in (32, 16):
        places = row_places(path, column=f"features_{side}", row_bytes=shape.payload_bytes)
        payloads = pq.read_table(path, columns=[f"features_{side}"])[0].to_pylist()
        content = path.read_bytes()
        stored = [content[place.offset : place.offset + place.num_bytes] for place in places]
        if form == "exact-zstd":
            stored = [pa.Codec("zstd").decompress(block, shape.payload_bytes).to_pybytes() for block in stored]
        assert stored == payloads


def test_one_scale_alone_is_a_column_of_its_own(store):
    with reader_of(store, encoded(range(3))):
        column = pq.read_table(payload_file(store), columns=["features_16"])
    assert torch.frombuffer(bytearray(column[0][2].as_py()), dtype=torch.float32).tolist() == [*range(212, 224)]


def test_the_index_says_what_is_known_of_every_image(store):
    nan = encoded([2])
    nan.payloads_BSP[:] = 255
    nan = replace(nan, is_finite_B=torch.tensor([False]))
    batches = [encoded([1]), nan, encoded([], failures=[FailedImage(key(3), "a.png: 壊れている")])]
    shard = publish_shard(store, batches)
    assert shard.summary == {"num_images": 2, "num_failed": 1, "num_not_finite": 1, "payload_bytes": 192}
    first, second, failed = pq.read_table(shard.path("index.parquet")).to_pylist()
    places = [row_places(shard.path("features.parquet"), column=f"features_{side}", row_bytes=48) for side in (32, 16)]
    assert (first["image_sha256"], first["status"], first["row"]) == (key(1), "ok", 0)
    assert (first["source_width"], first["source_height"], first["is_finite"]) == (640, 480, True)
    assert first["offsets"] == [column[0].offset for column in places]
    assert first["num_bytes"] == [48, 48]
    token_norms = features(1).norm(dim=-1)
    assert first["mean_norms"] == pytest.approx(token_norms.mean(dim=-1).tolist())
    assert first["max_norms"] == pytest.approx(token_norms.amax(dim=-1).tolist())
    assert second["is_finite"] is False
    assert {name: value for name, value in failed.items() if value is not None} == {
        "image_sha256": key(3),
        "status": "failed",
        "reason": "a.png: 壊れている",
    }


def test_others_can_read_what_a_shard_holds(store):
    shard = publish_shard(store, [encoded(range(3))])
    described = pq.read_schema(shard.path("features.parquet")).metadata
    assert json.loads(described[b"feature_shape"])["sides"] == [32, 16]
    assert json.loads(described[b"encoder"]) == {"name": "test"}
    with duckdb.connect() as database:
        counted = database.execute(
            "select count(*), min(image_sha256), min(octet_length(features_32)) from read_parquet(?)",
            [str(shard.path("features.parquet"))],
        ).fetchone()
    assert counted == (3, key(0), 48)


@pytest.mark.parametrize("form", FORMS)
def test_every_flipped_bit_of_a_payload_is_noticed_at_the_first_reading(store, form):
    shape = in_form(form)
    batch = encoded(range(3), shape)
    with reader_of(store, batch, shape=shape) as reader:
        path = payload_file(store)
        place = row_places(path, column="features_16", row_bytes=shape.payload_bytes)[1]
        for position in (place.offset, place.offset + place.num_bytes - 1):
            content = bytearray(path.read_bytes())
            content[position] ^= 4
            path.chmod(0o644)
            path.write_bytes(content)
            with pytest.raises(StoreError) as raised:
                reader.read(key(1))
            content[position] ^= 4
            path.write_bytes(content)
        assert reader.read(key(1)).shape == (2, 4, 3)
    message = str(raised.value)
    assert message.startswith(f"{path}: the features of image {key(1)} are damaged: ")
    assert message.endswith(
        f"Run `llava-jp discard {path.parent.name}`, then the experiment again: it encodes this shard anew"
    )


@pytest.mark.parametrize(
    ("check", "is_noticed"), [("first", [True, False]), ("always", [True, True]), ("never", [False] * 2)]
)
def test_checksums_are_compared_when_the_setting_says(store, check, is_noticed):
    with reader_of(store, encoded(range(3)), check=check) as reader:
        path = payload_file(store)
        place = row_places(path, column="features_32", row_bytes=48)[2]

        def flipped_is_noticed():
            content = bytearray(path.read_bytes())
            content[place.offset] ^= 1
            path.write_bytes(content)
            try:
                reader.read(key(2))
            except StoreError:
                return True
            else:
                return False
            finally:
                content[place.offset] ^= 1
                path.write_bytes(content)

        path.chmod(0o644)
        before = flipped_is_noticed()
        reader.read(key(2))
        assert [before, flipped_is_noticed()] == is_noticed


def test_a_shard_that_was_cut_while_it_was_open_is_noticed(store):
    with reader_of(store, encoded(range(2))) as reader:
        os.truncate(payload_file(store), 100)
        with pytest.raises(StoreError, match="are damaged: at 32 px the file ends too early"):
            reader.read(key(1))


def test_a_file_that_is_gone_or_cut_is_named(store):
    manifest = publish_features(store, [publish_shard(store, [encoded(range(2))])])
    path = payload_file(store)
    path.write_bytes(b"nothing")
    with FeatureReader(manifest.directory) as reader, pytest.raises(StoreError, match="the file ends too early"):
        reader.read(key(1))
    path.unlink()
    message = (
        r"features\.parquet cannot be read: No such file or directory. Run `llava-jp discard .*encodes this shard anew"
    )
    with FeatureReader(manifest.directory) as reader, pytest.raises(StoreError, match=message):
        reader.read(key(1))


@pytest.mark.parametrize("position", [50, 400, 789, -9, -200, -700])
def test_a_flipped_bit_of_the_index_is_noticed_when_the_features_are_opened(store, position):
    shard = publish_shard(store, [encoded(range(30))])
    manifest = publish_features(store, [shard])
    content = bytearray(shard.path("index.parquet").read_bytes())
    content[position] ^= 2
    shard.path("index.parquet").write_bytes(content)
    message = r"index\.parquet cannot be read: it is not as it was published. Run `llava-jp discard .*"
    with pytest.raises(StoreError, match=message):
        FeatureReader(manifest.directory)


def test_shards_of_different_calibrations_are_refused(store, monkeypatch):
    shape = in_form("int8")
    first = publish_shard(store, [encoded([1], shape)], shape)
    monkeypatch.setattr("tests.support.small_shards.RMS", 2 * RMS)
    second = publish_shard(store, [encoded([2], shape)], shape)
    with pytest.raises(StoreError, match="of another shape or calibration than the shards before it"):
        FeatureReader(publish_features(store, [first, second]).directory)


def test_a_reader_goes_on_in_a_forked_process(store):
    with reader_of(store, encoded(range(5))) as reader:
        reader.load([key(0), key(1)])
        child = os.fork()
        if not child:
            loaded = unpack(reader.load([key(3), key(4)]), SHAPE, None)
            os._exit(0 if loaded[:, 0, 0, 0].tolist() == [300, 400] else 1)
        _, status = os.waitpid(child, 0)
    assert status == 0


def test_many_images_are_loaded_in_the_order_of_the_keys(store):
    with reader_of(store, encoded(range(70))) as reader:
        keys = [key(number) for number in (5, 69, 5, 0)]
        loaded = reader.load(keys)
        assert loaded.shape == (4, 2, 48)
        restored = unpack(loaded, SHAPE, None)
        assert restored[:, 0, 0, 0].tolist() == [500, 6900, 500, 0]
        buffer = torch.empty(4, 2, 48, dtype=torch.uint8)
        assert reader.load(keys, out=buffer) is buffer
        assert torch.equal(buffer, loaded)


def test_threads_share_a_reader(store):
    with reader_of(store, encoded(range(70)), num_threads=8) as reader, ThreadPoolExecutor(8) as pool:
        for number, read in enumerate(pool.map(reader.read, [key(number) for number in range(70)] * 5)):
            assert read[0, 0, 0] == 100 * (number % 70)


def test_more_shards_than_files_may_be_open_are_read_all_the_same(store, monkeypatch):
    shards = [publish_shard(store, [encoded([number])]) for number in range(5)]
    manifest = publish_features(store, shards)
    with FeatureReader(manifest.directory) as reader:
        monkeypatch.setattr(reader, "_max_open", 2)
        for number in (0, 1, 2, 3, 4, 0):
            assert reader.read(key(number))[0, 0, 0] == 100 * number
        assert len(reader._descriptors) == 2


def test_a_reader_raises_the_limit_of_open_files_as_far_as_it_may(store):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1000), hard))
        with reader_of(store, encoded([1])):
            assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= min(soft, 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_image_in_two_shards_is_one_image(store):
    shards = [publish_shard(store, [encoded([1, 2])]), publish_shard(store, [encoded([2, 3])])]
    with FeatureReader(publish_features(store, shards).directory) as reader:
        assert len(reader) == 3
        assert [reader.read(key(number))[0, 0, 0].item() for number in (1, 2, 3)] == [100, 200, 300]


def test_shards_of_different_shapes_are_refused(store):
    shards = [
        publish_shard(store, [encoded([1])]),
        publish_shard(store, [encoded([2], in_form("int8"))], in_form("int8")),
    ]
    with pytest.raises(StoreError, match="holds features of another shape or calibration than the shards before it"):
        FeatureReader(publish_features(store, shards).directory)


@pytest.mark.parametrize("unknown", [key(9), "abc", "not a hash", "ff" * 32, ""])
def test_an_image_without_features_is_named(store, unknown):
    with reader_of(store, encoded([1])) as reader:
        assert unknown not in reader
        message = f"no cached features for image {unknown}; `llava-jp query cache_coverage` shows what is there"
        with pytest.raises(DataError, match=message):
            reader.read(unknown)


def test_int8_shards_carry_the_rms_they_were_divided_by(store):
    with reader_of(store, encoded([1], in_form("int8")), shape=in_form("int8")) as reader:
        assert torch.equal(reader.channel_rms, RMS)
        assert torch.allclose(reader.read(key(1)), features(1), atol=0.6)


@pytest.mark.parametrize(
    "options", [{"compression": "gzip", "use_dictionary": False}, {"compression": "none", "use_dictionary": True}]
)
def test_a_file_compressed_otherwise_or_with_a_dictionary_is_refused(store, tmp_path, options):
    shard = publish_shard(store, [encoded(range(3))])
    path = tmp_path / "other.parquet"
    pq.write_table(pq.read_table(shard.path("features.parquet")), path, **options)
    message = (
        r"other\.parquet: column 'features_32' has a dictionary or is compressed with .*; rows cannot be addressed"
    )
    with pytest.raises(StoreError, match=message):
        row_places(path, column="features_32", row_bytes=48)


def test_a_compressed_page_with_several_rows_is_refused(store, tmp_path):
    shard = publish_shard(store, [encoded(range(3))])
    path = tmp_path / "other.parquet"
    pq.write_table(pq.read_table(shard.path("features.parquet")), path, compression="zstd", use_dictionary=False)
    with pytest.raises(StoreError, match=r"the compressed page at byte \d+ has 3 rows, not one"):
        row_places(path, column="features_32", row_bytes=48)


def test_a_column_that_may_be_null_is_refused(tmp_path):
    table = pa.table({"features": pa.array([b"1234", None], pa.binary(4))})
    pq.write_table(table, tmp_path / "a.parquet", compression="none", use_dictionary=False)
    with pytest.raises(StoreError, match="bytes for 2 rows of 4"):
        row_places(tmp_path / "a.parquet", column="features", row_bytes=4)


def test_pages_of_the_second_version_are_refused(store, tmp_path):
    shard = publish_shard(store, [encoded(range(3))])
    path = tmp_path / "a.parquet"
    table = pq.read_table(shard.path("features.parquet"))
    pq.write_table(table, path, compression="none", use_dictionary=False, data_page_version="2.0")
    with pytest.raises(StoreError, match=r"the page at byte \d+ is not a PLAIN data page"):
        row_places(path, column="features_32", row_bytes=48)


def test_rows_of_another_length_are_refused(store):
    path = publish_shard(store, [encoded(range(3))]).path("features.parquet")
    with pytest.raises(StoreError, match=r"the page at byte \d+ has 48 bytes for 1 rows of 47"):
        row_places(path, column="features_32", row_bytes=47)


def test_a_page_checksum_of_parquet_finds_a_flipped_byte_as_well(store):
    path = publish_shard(store, [encoded(range(3))]).path("features.parquet")
    content = bytearray(path.read_bytes())
    content[row_places(path, column="features_32", row_bytes=48)[1].offset + 7] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(path, page_checksum_verification=True)
