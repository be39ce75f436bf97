"""The feature cache on a GPU: ``make test-gpu``. The default suite leaves these out."""

import pytest
import torch

from model.config import VisionTowerConfig
from model.vision.tower import build_vision_tower, pixels_of
from pipeline.config.experiment import FeatureConfig
from pipeline.data.image_reader import ImageReader
from pipeline.data.images import decode
from pipeline.data.prepare import prepare_dataset
from pipeline.features.encoder import Encoder
from pipeline.features.reader import FeatureReader
from pipeline.features.run import do_job
from pipeline.features.step import cache_features, calibrate_features
from pipeline.features.storage import pack, unpack
from pipeline.store.artifacts import ArtifactStore
from pipeline.training.feature_source import CachedFeatures
from tests.support.small_data import local_source, picture, talk
from tests.support.small_model import tower_config
from tests.support.small_shards import RMS, SHAPE, features

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]
CONFIG = FeatureConfig(image_size=96, scales=(1.0, 0.5), images_per_shard=8)


def tower(dtype: str = "float32") -> VisionTowerConfig:
    sizes = {"tile_size": 48, "hidden_size": 128, "intermediate_size": 256}
    return tower_config(**sizes, num_hidden_layers=4, num_attention_heads=4, dtype=dtype)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))
    return ArtifactStore(tmp_path / "store")


def dataset(folder, store, count: int = 20):
    records = [talk(f"{shade}", f"{shade}.png") for shade in range(count)]
    images = {f"{shade}.png": picture(shade) for shade in range(count)}
    return prepare_dataset(local_source(folder, records, images), store=store)


def here(job_file) -> None:
    do_job(job_file, rank=0, num_processes=1, num_decoders=2, report=lambda event: None)


def cached(data, store, *, dtype="float32", form="exact"):
    config = CONFIG.model_copy(update={"form": form})
    calibration = None
    if form == "int8":
        calibration = calibrate_features(tower(dtype), config, dataset=data, store=store, run_job=here)
    return cache_features(tower(dtype), config, dataset=data, calibration=calibration, store=store, run_job=here)


@pytest.mark.parametrize("form", ["exact", "exact-zstd"])
def test_a_gpu_gives_the_features_of_a_cpu(tmp_path, store, form):
    data = dataset(tmp_path, store)
    manifest, images = cached(data, store, form=form), ImageReader([data])
    on_cpu = build_vision_tower(tower())
    with FeatureReader(manifest.directory) as reader:
        assert len(reader) == 20
        for key in images.usable():
            (expected,) = on_cpu.encode(pixels_of(decode(images.read(key)), image_size=96)[None], CONFIG)
            torch.testing.assert_close(reader.read(key), expected, rtol=1e-3, atol=1e-3)


def test_bfloat16_features_are_near_those_of_float32(tmp_path, store):
    data = dataset(tmp_path, store)
    exact, half = cached(data, store), cached(data, store, dtype="bfloat16")
    with FeatureReader(exact.directory) as first, FeatureReader(half.directory) as second:
        for key in ImageReader([data]).usable():
            similarity = torch.cosine_similarity(first.read(key), second.read(key).float(), dim=-1)
            assert similarity.min() > 0.99


@pytest.mark.parametrize("form", ["exact", "exact-zstd", "int8"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_payloads_become_the_same_numbers_on_the_device(form, dtype):
    shape = type(SHAPE)(SHAPE.sides, SHAPE.num_tokens, SHAPE.width, dtype, form)
    values = torch.stack([features(number, shape) for number in range(3)])
    rms = RMS if form == "int8" else None
    packed = pack(values.cuda(), shape, rms)
    assert torch.equal(packed.cpu(), pack(values, shape, rms))
    on_device = unpack(packed, shape, None if rms is None else rms.cuda())
    torch.testing.assert_close(on_device.cpu(), unpack(packed.cpu(), shape, rms), rtol=1e-6, atol=0)


def test_loaded_payloads_are_pinned_and_cross_to_the_device(tmp_path, store):
    data = dataset(tmp_path, store)
    device = torch.device("cuda")
    with FeatureReader(cached(data, store, form="int8").directory) as reader:
        source = CachedFeatures(reader, device)
        keys = list(ImageReader([data]).usable())[:5]
        loaded = source.load(keys)
        assert loaded.is_pinned()
        joined = source.on_device(loaded, device)
        assert (joined.device.type, joined.shape) == ("cuda", (5, 36, 256))
        expected = torch.stack([torch.cat(list(reader.read(key)), dim=-1) for key in keys])
        torch.testing.assert_close(joined.cpu(), expected, rtol=1e-5, atol=1e-5)


def test_a_device_that_runs_out_of_memory_goes_on_with_smaller_batches(tmp_path, store, caplog, monkeypatch):
    data = dataset(tmp_path, store)
    whole = cached(data, store)
    with FeatureReader(whole.directory) as reader:
        expected = {key: reader.read(key) for key in ImageReader([data]).usable()}
    inner = Encoder._encode

    def greedy(self, part):
        waste = torch.empty(len(part.keys) * 2**30, dtype=torch.uint8, device="cuda")  # a gigabyte an image
        encoded = inner(self, part)
        del waste
        return encoded

    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, 6 * 2**30 / total))
    monkeypatch.setattr(Encoder, "_encode", greedy)
    try:
        again = cached(data, ArtifactStore(tmp_path / "other"))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "the device's memory is too small: going on with" in caplog.text
    with FeatureReader(again.directory) as reader:
        for key, value in expected.items():
            torch.testing.assert_close(reader.read(key), value, rtol=1e-3, atol=1e-3)
