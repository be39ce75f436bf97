import errno
import re
import shutil

import pyarrow.parquet as pq
import pytest
import torch

from model.config import VisionTowerConfig
from model.vision.tower import build_vision_tower, pixels_of
from pipeline.config.experiment import FeatureConfig
from pipeline.core.errors import DataError, StoreError, TransientError
from pipeline.core.settings import Settings
from pipeline.data.image_reader import ImageReader
from pipeline.data.images import decode
from pipeline.data.prepare import prepare_dataset
from pipeline.features.calibration import read_calibration
from pipeline.features.encoder import Encoder, default_device, feature_shape
from pipeline.features.reader import FeatureReader, shard_advice
from pipeline.features.run import do_job
from pipeline.features.step import cache_features, calibrate_features, encode_share, on_this_machine, require_features
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import library_versions
from tests.support.small_data import local_source, picture, sha256_of, talk
from tests.support.small_model import tower_config

CONFIG = FeatureConfig(image_size=32, scales=(1.0, 0.5), images_per_shard=2)


def tower(dtype: str = "float32") -> VisionTowerConfig:
    return tower_config(num_hidden_layers=2, intermediate_size=32, dtype=dtype)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))
    return ArtifactStore(tmp_path / "store")


def dataset(folder, store, *shades: int):
    """A dataset with a picture of every shade."""
    records = [talk(f"{shade}", f"{shade}.png") for shade in shades]
    images = {f"{shade}.png": picture(shade) for shade in shades}
    return prepare_dataset(local_source(folder, records, images), store=store)


def cached(data, store, *, dtype="float32", **changes):
    """The features of a dataset; an ``int8`` form is calibrated with it."""
    config = CONFIG.model_copy(update=changes)
    calibration = None
    if config.form == "int8":
        calibration = calibrate_features(
            tower(dtype), config, dataset=data, store=store, run_job=on_this_machine(Settings())
        )
    return cache_features(
        tower(dtype), config, dataset=data, calibration=calibration, store=store, run_job=on_this_machine(Settings())
    )


def shard_folders(store) -> list:
    return sorted((store.root / "artifacts" / "feature_shard").iterdir())


def live_features(data, dtype="float32") -> dict[str, torch.Tensor]:
    """What the tower gives for each image of a dataset, two at a time as in the shards."""
    images, vision_tower = ImageReader([data]), build_vision_tower(tower(dtype)).to(default_device())
    usable = images.usable()
    features = {}
    for start in range(0, len(usable), 2):
        keys = usable[start : start + 2]
        pixels = [pixels_of(decode(images.read(key)), image_size=32) for key in keys]
        features |= zip(keys, vision_tower.encode(torch.stack(pixels), CONFIG).cpu(), strict=True)
    return features


@pytest.mark.parametrize("form", ["exact", "exact-zstd"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_cached_features_are_the_live_ones_to_the_bit(tmp_path, store, dtype, form):
    data = dataset(tmp_path, store, *range(5))
    manifest = cached(data, store, dtype=dtype, form=form)
    assert {key: manifest.summary[key] for key in ("form", "num_images", "num_failed", "num_shards")} == {
        "form": form,
        "num_images": 5,
        "num_failed": 0,
        "num_shards": 3,
    }
    with FeatureReader(manifest.directory) as reader:
        assert len(reader) == 5
        for key, expected in live_features(data, dtype).items():
            assert key in reader
            read = reader.read(key)
            assert read.dtype == getattr(torch, dtype)
            assert read.shape == (2, 4, 16)
            assert torch.equal(read, expected)


def test_int8_features_are_within_half_a_step_of_the_live_ones(tmp_path, store):
    data = dataset(tmp_path, store, *range(5))
    manifest = cached(data, store, form="int8")
    calibration = store.by_fingerprint(manifest.request.inputs["calibration"])
    rms = read_calibration(calibration.directory)
    with FeatureReader(manifest.directory) as reader:
        for key, expected in live_features(data).items():
            even = expected / rms[:, None]
            half_a_step = even.abs().amax(dim=-1, keepdim=True) / 127 / 2
            assert ((reader.read(key) / rms[:, None] - even).abs() <= half_a_step * 1.001).all()


def test_the_calibration_is_the_root_mean_square_of_every_channel(tmp_path, store):
    data = dataset(tmp_path, store, 1, 2, 3)
    calibration = calibrate_features(tower(), CONFIG, dataset=data, store=store, run_job=on_this_machine(Settings()))
    features = torch.stack(list(live_features(data).values()))
    assert torch.allclose(read_calibration(calibration.directory), features.square().mean(dim=(0, 2)).sqrt(), rtol=1e-5)
    assert calibration.summary == {"num_images": 3, "num_channels": 32}


def test_different_images_have_different_features(tmp_path, store):
    manifest = cached(dataset(tmp_path, store, 1, 200), store)
    with FeatureReader(manifest.directory) as reader:
        one, other = (reader.read(sha256_of(picture(shade))) for shade in (1, 200))
    assert not torch.allclose(one, other, atol=1e-3)


def test_an_image_of_two_datasets_is_encoded_once(tmp_path, store):
    cached(dataset(tmp_path / "one", store, 1, 2), store)
    before = shard_folders(store)
    second = cached(dataset(tmp_path / "two", store, 2, 3), store)
    (new,) = set(shard_folders(store)) - set(before)
    assert pq.read_table(new / "index.parquet")["image_sha256"].to_pylist() == [sha256_of(picture(3))]
    with FeatureReader(second.directory) as reader:
        assert sha256_of(picture(2)) in reader
        assert sha256_of(picture(3)) in reader
    assert len(second.parts) == 2


def test_a_cache_that_other_libraries_made_is_added_to_and_that_is_said(tmp_path, store, monkeypatch, caplog):
    cached(dataset(tmp_path, store, 10), store)
    with monkeypatch.context() as patch:
        versions = library_versions()
        for place in ("cache", "shard_requests"):
            patch.setattr(f"pipeline.features.{place}.library_versions", lambda: versions | {"pillow": "99.0"})
        cached(dataset(tmp_path, store, 10), store)
        assert not [record for record in caplog.records if record.levelname == "WARNING"]
        cached(dataset(tmp_path, store, 10, 20), store)
    (said,) = (record.message for record in caplog.records if record.levelname == "WARNING")
    assert f"this cache was made with pillow {versions['pillow']}, this is 99.0" in said


def test_another_number_of_images_per_shard_encodes_nothing_again(tmp_path, store):
    data = dataset(tmp_path, store, 1, 2, 3)
    first, second = (cached(data, store, images_per_shard=size) for size in (2, 3))
    assert first.fingerprint != second.fingerprint
    assert first.parts == second.parts
    assert len(shard_folders(store)) == 2


@pytest.mark.parametrize("changes", [{"scales": (0.5, 1.0)}, {"layout": "llava-jp-v1.1"}, {"form": "exact-zstd"}])
def test_another_encoder_has_shards_of_its_own(tmp_path, store, changes):
    data = dataset(tmp_path, store, 1)
    first, second = cached(data, store), cached(data, store, **changes)
    assert first.summary["encoder"] != second.summary["encoder"]
    assert not set(first.parts) & set(second.parts)


def test_live_features_take_no_space(tmp_path, store):
    manifest = cached(dataset(tmp_path, store, 1, 2), store, form="live")
    assert (manifest.summary["num_images"], manifest.summary["num_shards"], manifest.parts) == (2, 0, ())
    assert pq.read_table(manifest.path("images.parquet"))["status"].to_pylist() == ["live", "live"]


def test_finished_shards_of_an_interrupted_call_are_kept(tmp_path, store):
    data = dataset(tmp_path, store, *range(5))
    whole = cached(data, store)
    contents = {folder.name: (folder / "features.parquet").read_bytes() for folder in shard_folders(store)}
    kept, *lost = shard_folders(store)
    for folder in [*lost, whole.directory]:
        shutil.rmtree(folder)
    before = (kept / "features.parquet").stat()
    again = cached(data, store)
    after = (kept / "features.parquet").stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    assert again.files == whole.files
    assert {folder.name: (folder / "features.parquet").read_bytes() for folder in shard_folders(store)} == contents


def test_a_lost_shard_is_made_again_and_no_other(tmp_path, store):
    data = dataset(tmp_path, store, *range(5))
    manifest = cached(data, store)
    lost, *kept = shard_folders(store)
    content = (lost / "features.parquet").read_bytes()
    times = [(folder / "features.parquet").stat().st_mtime_ns for folder in kept]
    shutil.rmtree(lost)
    assert store.missing_parts(manifest) == (f"feature_shard/{lost.name}",)
    assert not store.is_whole(manifest.request)
    assert cached(data, store) == manifest
    assert (lost / "features.parquet").read_bytes() == content
    assert [(folder / "features.parquet").stat().st_mtime_ns for folder in kept] == times
    assert store.is_whole(manifest.request)


def test_a_lost_shard_of_another_dataset_is_made_from_that_dataset(tmp_path, store):
    first, second = dataset(tmp_path / "one", store, 1, 2), dataset(tmp_path / "two", store, 2)
    cached(first, store)
    borrowing = cached(second, store)
    (shard,) = shard_folders(store)
    shutil.rmtree(shard)
    cached(second, store)
    keys = pq.read_table(shard / "index.parquet")["image_sha256"].to_pylist()
    assert keys == sorted(sha256_of(picture(shade)) for shade in (1, 2))
    shutil.rmtree(shard)
    shutil.rmtree(first.directory)
    message = f"1 lost shards hold images of the dataset {first.fingerprint}, which is not in .* any more"
    with pytest.raises(DataError, match=message):
        cached(second, store)
    assert store.missing_parts(borrowing)


def test_an_image_that_cannot_be_read_any_more_is_a_row_with_a_reason(tmp_path, store):
    data = dataset(tmp_path, store, 1, 2, 3)
    (tmp_path / "images" / "2.png").write_bytes(b"changed")
    (tmp_path / "images" / "3.png").unlink()
    manifest = cached(data, store)
    assert (manifest.summary["num_images"], manifest.summary["num_failed"]) == (1, 2)
    rows = pq.read_table(manifest.path("images.parquet")).to_pylist()
    reasons = {row["image_sha256"]: row["reason"] for row in rows if row["status"] == "failed"}
    folder = tmp_path / "images"
    assert reasons == {
        sha256_of(picture(2)): f"{folder}/2.png changed since the dataset was prepared; prepare the dataset again",
        sha256_of(picture(3)): f"{folder}/3.png: No such file or directory; it was there when the dataset was prepared",
    }
    with FeatureReader(manifest.directory) as reader:
        assert sha256_of(picture(1)) in reader
        assert sha256_of(picture(2)) not in reader
    with pytest.raises(DataError, match=r"2 of 3 images of pretrain could not be encoded, more than the allowed 50 %"):
        require_features(manifest, name="pretrain", max_failed_fraction=0.5)
    require_features(manifest, name="pretrain", max_failed_fraction=0.7)


def test_an_image_that_failed_is_tried_again_for_another_dataset(tmp_path, store):
    first = dataset(tmp_path / "one", store, 1, 2)
    (tmp_path / "one" / "images" / "2.png").unlink()
    cached(first, store)
    second = cached(dataset(tmp_path / "two", store, 2), store)
    assert (second.summary["num_images"], second.summary["num_failed"]) == (1, 0)


def test_a_dataset_of_text_alone_has_no_shards(tmp_path, store):
    manifest = cached(prepare_dataset(local_source(tmp_path, [talk("1", None)], {}), store=store), store)
    assert [file.path for file in manifest.files] == ["images.parquet", "shards.parquet"]
    with FeatureReader(manifest.directory) as reader:
        assert len(reader) == 0
        assert reader.shape is None


def test_a_disk_that_cannot_hold_the_features_is_refused_before_anything_is_encoded(tmp_path, store, monkeypatch):
    data = dataset(tmp_path, store, 1, 2)
    monkeypatch.setattr("pipeline.features.sizes.free_bytes", lambda path: 1023)
    message = r"the features of 2 images take 1.0 kB as exact; .* has 1.0 kB free. Make room, choose a smaller form"
    with pytest.raises(StoreError, match=message):
        cached(data, store)
    assert not (store.root / "artifacts" / "feature_shard").exists()
    monkeypatch.setattr("pipeline.features.sizes.free_bytes", lambda path: 1024)
    assert cached(data, store).summary["payload_bytes"] == 1024


def test_images_are_decoded_by_worker_processes_to_the_same_features(tmp_path, store, monkeypatch):
    data = dataset(tmp_path, store, *range(5))
    (tmp_path / "images" / "3.png").unlink()
    first = cached(data, store)
    files = {folder.name: (folder / "features.parquet").read_bytes() for folder in shard_folders(store)}
    for folder in [*shard_folders(store), first.directory]:
        shutil.rmtree(folder)
    monkeypatch.setenv("LLAVA_JP_NUM_DECODERS", "2")
    second = cached(data, store)
    assert {folder.name: (folder / "features.parquet").read_bytes() for folder in shard_folders(store)} == files
    assert second.summary["num_failed"] == 1


def test_out_of_memory_halves_the_batch_and_goes_on(tmp_path, store, monkeypatch, caplog):
    data = dataset(tmp_path, store, *range(7))
    expected = live_features(data)
    whole, sizes = Encoder._encode, []

    def small_device(self, part):
        sizes.append(len(part.keys))
        if len(part.keys) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(self, part)

    monkeypatch.setattr(Encoder, "_encode", small_device)
    monkeypatch.setattr("pipeline.features.encoder.IMAGES_PER_BATCH", 8)
    manifest = cached(data, store, images_per_shard=7)
    assert sizes == [7, 4, 2, 2, 2, 1]
    assert [record.args for record in caplog.records if "memory is too small" in record.message] == [(4,), (2,)]
    with FeatureReader(manifest.directory) as reader:
        assert all(torch.allclose(reader.read(key), value, atol=1e-5) for key, value in expected.items())


def test_an_image_too_large_for_the_device_stops_the_run(tmp_path, store, monkeypatch):
    def no_device(self, part):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Encoder, "_encode", no_device)
    with pytest.raises(torch.OutOfMemoryError):
        cached(dataset(tmp_path, store, 1, 2), store)
    assert not list((store.root / "artifacts").glob("feature_shard/*"))


def test_too_little_shared_memory_is_said_before_a_process_dies_of_it(tmp_path, store, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    monkeypatch.setenv("LLAVA_JP_NUM_DECODERS", "1")
    monkeypatch.setattr("pipeline.features.sizes.free_bytes", lambda path: 10**12)
    with pytest.raises(Exception, match=r"decoding needs .* MB in /dev/shm, .*lower LLAVA_JP_NUM_DECODERS"):
        cached(dataset(tmp_path, store, 1), store)


def test_progress_says_where_the_time_goes(tmp_path, store, caplog):
    caplog.set_level("INFO")
    cached(dataset(tmp_path, store, 1, 2, 3), store)
    note = r"waiting for images \d+ %, encoding \d+ %, writing \d+ %: limited by (decoding|encoding|writing)"
    assert re.search(rf"encode images: 3 images in .*, {note}", caplog.text)


def test_the_shape_follows_from_tower_and_config():
    shape = feature_shape(build_vision_tower(tower()), CONFIG, dtype="float32", form="exact")
    assert (shape.sides, shape.num_tokens, shape.width, shape.image_bytes) == ((32, 16), 4, 16, 512)
    assert shape.columns == ("features_32", "features_16")


def test_two_processes_share_a_job_by_its_order(tmp_path, store):
    data = dataset(tmp_path, store, *range(5))
    done = []

    def one_after_the_other(job_file):
        for rank in (1, 0):
            do_job(job_file, rank=rank, num_processes=2, num_decoders=0, report=lambda event: None)
            done.append(len(shard_folders(store)))

    manifest = cache_features(tower(), CONFIG, dataset=data, store=store, run_job=one_after_the_other)
    assert done == [1, 3]
    assert manifest.summary["num_images"] == 5


@pytest.mark.parametrize("form", ["exact", "exact-zstd", "int8"])
def test_a_flipped_bit_is_found_its_image_named_and_only_its_shard_made_again(tmp_path, store, form):
    data = dataset(tmp_path, store, *range(4))
    manifest = cached(data, store, form=form)
    before = {folder.name: (folder / "features.parquet").read_bytes() for folder in shard_folders(store)}
    damaged, untouched = shard_folders(store)
    path = damaged / "features.parquet"
    rows = pq.read_table(damaged / "index.parquet").to_pylist()
    content = bytearray(path.read_bytes())
    content[rows[1]["offsets"][0] + 20] ^= 16
    path.write_bytes(content)
    shard = store.by_fingerprint(damaged.name)
    assert store.verify(shard)[0].startswith("features.parquet changed: its sha256 is not ")
    assert shard_advice(shard) == (
        f"feature_shard/{damaged.name}: the features of 1 images are damaged ({rows[1]['image_sha256']}); "
        f"`llava-jp discard {damaged.name}` and the next run of an experiment that uses it encode this shard again, "
        "and no other"
    )
    assert store.verify(store.by_fingerprint(untouched.name)) == ()
    time = (untouched / "features.parquet").stat().st_mtime_ns
    store.discard(shard)
    assert cached(data, store, form=form) == manifest
    assert {folder.name: (folder / "features.parquet").read_bytes() for folder in shard_folders(store)} == before
    assert (untouched / "features.parquet").stat().st_mtime_ns == time


def test_every_byte_of_a_shard_is_covered(tmp_path, store):
    cached(dataset(tmp_path, store, 1), store)
    (folder,) = shard_folders(store)
    shard = store.by_fingerprint(folder.name)
    for path in (folder / "features.parquet", folder / "index.parquet"):
        content = path.read_bytes()
        for position in range(0, len(content), 97):
            path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
            assert store.verify(shard), f"{path.name} at {position}"
            assert shard_advice(shard).startswith(f"feature_shard/{folder.name}: ")
        path.write_bytes(content)
    assert store.verify(shard) == ()
    assert shard_advice(shard).startswith(f"feature_shard/{folder.name}: no image's features are damaged")


def share(data, store, part, num_parts=3, **changes):
    config = CONFIG.model_copy(update=changes)
    return encode_share(
        tower(), config, dataset=data, store=store, run_job=on_this_machine(Settings()), part=part, num_parts=num_parts
    )


def test_machines_encode_disjoint_parts_and_the_step_finds_all_of_them_cached(tmp_path, store):
    first, second = dataset(tmp_path / "one", store, *range(9)), dataset(tmp_path / "two", store, *range(6, 15))
    (tmp_path / "one" / "images" / "3.png").unlink()
    for part in (2, 0, 1):  # one after the other: what is done must not change what the others have to do
        for data in (first, second):
            share(data, store, part)
    folders = shard_folders(store)
    keys = [key for folder in folders for key in pq.read_table(folder / "index.parquet")["image_sha256"].to_pylist()]
    assert sorted(keys) == list(ImageReader([first, second]).usable())
    assert not list(store.root.glob("partial/encode/*"))
    assert (cached(second, store).summary["num_images"], len(shard_folders(store))) == (9, len(folders))
    manifest = cached(first, store)
    assert (manifest.summary["num_images"], manifest.summary["num_failed"]) == (8, 1)
    assert len(shard_folders(store)) == len(folders) + 1  # the image that failed was tried once more


def test_no_part_is_encoded_of_a_dataset_in_which_a_bit_flipped(tmp_path, store):
    data = dataset(tmp_path, store, *range(9))
    path = data.path("images.parquet")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"parquet-cpp", b"parquet-cpq"))  # in the footer, which has no checksum
    with pytest.raises(StoreError, match=f"{path} is not as it was published"):
        share(data, store, 0, num_parts=1)
    assert not list(store.root.glob("artifacts/feature_shard/*"))


def test_two_encoders_encode_the_same_part_beside_each_other(tmp_path, store):
    data = dataset(tmp_path, store, 1, 2)
    assert share(data, store, 0, 1) == (2, 2)
    assert share(data, store, 0, 1, layout="llava-jp-v1.1") == (2, 2)
    assert share(data, store, 0, 1) == (0, 0)


def test_images_that_have_all_gone_are_tried_again_when_they_are_back(tmp_path, store):
    data = dataset(tmp_path, store, *range(4))
    images = tmp_path / "images"
    images.rename(tmp_path / "away")
    failed = cached(data, store)
    assert (failed.summary["num_images"], failed.summary["num_failed"]) == (0, 4)
    (tmp_path / "away").rename(images)
    store.discard(failed)
    assert (cached(data, store).summary["num_images"], cached(data, store).summary["num_failed"]) == (4, 0)


def test_a_disk_that_fails_for_a_while_is_no_bad_image(tmp_path, store, monkeypatch):
    data = dataset(tmp_path, store, 1, 2)

    def stale(self):
        raise OSError(errno.ESTALE, "Stale file handle")

    reader = ImageReader([data])
    monkeypatch.setattr("pathlib.Path.read_bytes", stale)
    with pytest.raises(TransientError, match=r"1\.png cannot be read now: Stale file handle|2\.png cannot be read now"):
        reader.read(sha256_of(picture(1)))


def test_a_run_whose_images_have_gone_stops_before_it_lists_them_all(tmp_path, store, monkeypatch):
    data = dataset(tmp_path, store, *range(9))
    shutil.rmtree(tmp_path / "images")
    monkeypatch.setattr("pipeline.features.encoding_job.MANY_FAILURES", 3)
    message = r"4 of the first 4 images could not be read, the last because: .*\.png: No such file or directory; it was"
    with pytest.raises(DataError, match=message):
        cached(data, store)


def test_a_restart_needs_room_only_for_what_is_missing(tmp_path, store, monkeypatch):
    data = dataset(tmp_path, store, *range(8))
    num_parts = 0

    def interrupted(job_file):
        nonlocal num_parts
        num_parts += 1
        do_job(job_file, rank=0, num_processes=2 if num_parts == 1 else 1, num_decoders=0, report=lambda event: None)
        if num_parts == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache_features(tower(), CONFIG, dataset=data, store=store, run_job=interrupted)
    assert len(shard_folders(store)) == 2
    monkeypatch.setattr("pipeline.features.sizes.free_bytes", lambda path: 4 * 512)
    manifest = cache_features(tower(), CONFIG, dataset=data, store=store, run_job=interrupted)
    assert manifest.summary["num_images"] == 8


def test_a_shard_that_comes_back_with_other_images_makes_the_artifact_anew(tmp_path, store):
    data = dataset(tmp_path, store, 1, 2, 3)
    manifest = cached(data, store)
    (tmp_path / "images" / "2.png").rename(tmp_path / "2.png")
    for folder in shard_folders(store):
        shutil.rmtree(folder)
    without = cached(data, store)
    assert (without.fingerprint, without.summary["num_failed"]) == (manifest.fingerprint, 1)
    (tmp_path / "2.png").rename(tmp_path / "images" / "2.png")
    for folder in shard_folders(store):
        shutil.rmtree(folder)
    assert cached(data, store).summary["num_failed"] == 0
    assert store.is_whole(manifest.request)


def test_a_shard_folder_without_a_manifest_is_replaced(tmp_path, store):
    data = dataset(tmp_path, store, 1, 2)
    cached(data, store)
    (folder,) = shard_folders(store)
    (folder / "manifest.json").unlink()
    assert cached(data, store).summary["num_images"] == 2
    assert store.verify(store.by_fingerprint(folder.name)) == ()


def test_features_that_are_not_numbers_stop_the_run(tmp_path, store, monkeypatch):
    data = dataset(tmp_path, store, 1, 2)
    whole = build_vision_tower

    def broken(config):
        made = whole(config)
        made.vit.embeddings.patch_embedding.bias.data[0] = float("inf")
        return made

    monkeypatch.setattr("pipeline.features.encoding_job.build_vision_tower", broken)
    manifest = cached(data, store, layout="llava-jp-v1.1")
    assert manifest.summary["num_not_finite"] == 2
    with pytest.raises(DataError, match="the features of 2 images of pretrain .* are infinite or not numbers"):
        require_features(manifest, name="pretrain", max_failed_fraction=1.0)


def test_a_channel_that_is_quiet_in_the_calibration_gets_a_hundredth_of_the_median(tmp_path, store):
    data = dataset(tmp_path, store, 1, 2, 3)
    calibration = calibrate_features(tower(), CONFIG, dataset=data, store=store, run_job=on_this_machine(Settings()))
    rms = read_calibration(calibration.directory)
    measured = torch.stack(list(live_features(data).values())).square().mean(dim=(0, 2)).sqrt()
    floor = 0.01 * measured.median(dim=1, keepdim=True).values
    assert torch.allclose(rms, measured.maximum(floor), rtol=1e-5)
    assert (rms > 0).all()


def test_a_damaged_index_is_one_error_for_who_looks_for_cached_images(tmp_path, store):
    data = dataset(tmp_path / "one", store, 1, 2)
    cached(data, store)
    (folder,) = shard_folders(store)
    (folder / "index.parquet").write_bytes(b"PAR1nonsensePAR1")
    with pytest.raises(StoreError, match=r"index\.parquet cannot be read: it is not as it was published"):
        cached(dataset(tmp_path / "two", store, 2, 3), store)
