import pytest

from model.config import RandomVisionTower, VisionTowerConfig
from pipeline.compute.model_sizes import tower_sizes
from pipeline.config.experiment import FeatureConfig, load_experiment
from pipeline.core.errors import ConfigError, StoreError
from pipeline.core.settings import Settings
from pipeline.data.prepare import prepare_dataset
from pipeline.features.sizes import bytes_per_image, encoding_flops, require_space
from pipeline.features.step import cache_features, on_this_machine
from pipeline.planning.data_sizes import data_sizes
from pipeline.planning.features import ImageCount, count_images, features_note, require_space_for
from pipeline.planning.plan import plan_experiment
from pipeline.store.artifacts import ArtifactStore

SO400M = VisionTowerConfig(
    weights=RandomVisionTower(
        kind="random",
        tile_size=384,
        patch_size=14,
        hidden_size=1152,
        intermediate_size=4304,
        num_hidden_layers=27,
        num_attention_heads=16,
    )
)
V1_1 = FeatureConfig(image_size=768, scales=(1.0, 0.5))


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path))
    return ArtifactStore(tmp_path)


def test_an_image_of_v1_1_takes_3_4_megabytes_and_half_of_it_as_int8():
    assert bytes_per_image(SO400M, V1_1, form="exact") == 729 * 2 * 1152 * 2 == 3_359_232
    assert bytes_per_image(SO400M, V1_1, form="int8") == 729 * 2 * (1152 + 4)
    assert bytes_per_image(SO400M, V1_1, form="exact-zstd") == pytest.approx(0.72 * 3_359_232, abs=1)
    published = V1_1.model_copy(update={"layout": "llava-jp-v1.1"})
    assert bytes_per_image(SO400M, published, form="exact") == 728 * 2 * 1152 * 2


def test_an_image_of_v1_1_takes_3_2_teraflops_in_26_layers():
    per_layer = 2 * (4 * 1152 * 1152 + 2 * 1152 * 4304) * 729 + 4 * 729 * 729 * 1152
    assert encoding_flops(tower_sizes(SO400M), V1_1) == pytest.approx(5 * 26 * per_layer, rel=0.002)
    assert encoding_flops(tower_sizes(SO400M), V1_1) == pytest.approx(3.2e12, rel=0.01)


def test_features_that_do_not_fit_are_refused_with_what_is_needed_and_free(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.features.sizes.free_bytes", lambda path: 10**12)
    message = r"the features of 558128 images take 1.87 TB as exact; .* has 1.00 TB free. Make room, choose a smaller"
    with pytest.raises(StoreError, match=message):
        require_space(SO400M, V1_1, num_images=558_128, root=tmp_path)
    require_space(SO400M, V1_1.model_copy(update={"form": "int8"}), num_images=558_128, root=tmp_path)


def count(config, store):
    plan = plan_experiment(config, Settings(store=store.root))
    return count_images(config, plan, data_sizes(config, plan, store=store), store=store)


def test_each_image_is_counted_once_and_what_is_cached_is_left_out(store):
    config = load_experiment("smoke")
    assert count(config, store) == ImageCount(num_images=64, num_cached=0, is_counted=False)
    datasets = [prepare_dataset(source, store=store) for source in (config.datasets.pretrain, config.datasets.finetune)]
    cache_features(
        config.vision_tower, config.features, dataset=datasets[1], store=store, run_job=on_this_machine(Settings())
    )
    counted = count(config, store)
    assert (counted, counted.num_to_encode) == (ImageCount(num_images=64, num_cached=16, is_counted=True), 48)
    for form in ("exact-zstd", "int8", "live"):  # exact is all that is cached
        assert count(load_experiment("smoke", [f"features.form={form}"]), store).num_cached == 0


def test_the_note_says_what_each_form_takes():
    assert features_note(load_experiment("smoke"), ImageCount(64, 0, False)) == (
        "features of about 64 images, 0 of them cached; form is exact; all take 524.3 kB as exact, 445.6 kB as "
        "exact-zstd, 133.1 kB as int8, nothing as live, which encodes them again in every epoch"
    )
    assert features_note(load_experiment("smoke"), ImageCount(64, 16, True)).startswith(
        "features of 64 images, 16 of them cached; form is exact"
    )


def test_images_that_do_not_divide_into_tiles_are_refused_for_any_tower(tmp_path, store):
    from model.vision.tower import build_vision_tower

    config = load_experiment("smoke")
    build_vision_tower(config.vision_tower).vit.save_pretrained(tmp_path / "tower")
    weights = f"vision_tower.weights={{kind: local, folder: {tmp_path / 'tower'}}}"
    local = load_experiment("smoke", [weights, "features.image_size=100", "features.scales=[1.0]"])
    with pytest.raises(
        ConfigError, match=r"scale 1.0 gives 100 pixels, which is not a multiple of the vision tower's 56"
    ):
        require_space_for(local, plan_experiment(local, Settings(store=store.root)), store=store)


def test_a_plan_that_does_not_fit_is_refused(store, monkeypatch):
    config = load_experiment("smoke")
    plan = plan_experiment(config, Settings(store=store.root))
    require_space_for(config, plan, store=store)
    monkeypatch.setattr("pipeline.features.sizes.free_bytes", lambda path: 1000)
    with pytest.raises(StoreError, match=r"the features of 64 images take 524.3 kB as exact; .* has 1.0 kB free"):
        require_space_for(config, plan, store=store)
    live = load_experiment("smoke", ["features.form=live"])
    require_space_for(live, plan_experiment(live, Settings(store=store.root)), store=store)
