import pytest

from model.config import RandomVisionTower, VisionTowerConfig
from pipeline.compute.model_sizes import tower_sizes
from pipeline.config.experiment import FeatureConfig, load_experiment
from pipeline.core.errors import ConfigError, StoreError
from pipeline.core.settings import Settings
from pipeline.data.prepare import prepare_dataset
from pipeline.features.sizes import bytes_per_image, encoding_flops, form_costs, require_space
from pipeline.features.step import cache_features, on_this_machine
from pipeline.planning.features import plan_features, require_space_for
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


def test_live_features_take_no_space_and_as_much_time():
    exact, compressed, int8, live = form_costs(SO400M, V1_1, num_images=558_128, num_cached={})
    assert [cost.form for cost in (exact, compressed, int8, live)] == ["exact", "exact-zstd", "int8", "live"]
    assert exact.num_bytes == pytest.approx(1.87e12, rel=0.01)
    assert (live.num_bytes, live.encoding_seconds) == (0, exact.encoding_seconds)


def test_features_that_do_not_fit_are_refused_with_what_is_needed_and_free(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.features.sizes.free_bytes", lambda path: 10**12)
    message = r"the features of 558128 images take 1.87 TB as exact; .* has 1.00 TB free. Make room, choose a smaller"
    with pytest.raises(StoreError, match=message):
        require_space(SO400M, V1_1, num_images=558_128, root=tmp_path)
    require_space(SO400M, V1_1.model_copy(update={"form": "int8"}), num_images=558_128, root=tmp_path)


def planned(config, store):
    return plan_experiment(config, Settings(store=store.root))


def test_the_plan_counts_each_image_once_and_leaves_out_what_is_cached(store):
    config = load_experiment("smoke")
    before = plan_features(config, planned(config, store), store=store)
    assert before.note() == "features of about 64 images, 0 of them cached"
    datasets = [prepare_dataset(source, store=store) for source in (config.datasets.pretrain, config.datasets.finetune)]
    cache_features(
        config.vision_tower, config.features, dataset=datasets[1], store=store, run_job=on_this_machine(Settings())
    )
    plan = plan_features(config, planned(config, store), store=store)
    assert plan.note() == "features of 64 images, 16 of them cached"
    chosen, compressed, _, live = plan.rows()
    assert (compressed["images to encode"], live["images to encode"]) == (64, 64)  # exact is all that is cached
    assert chosen["form"] == "exact (chosen)"
    assert (chosen["images to encode"], chosen["an image"], chosen["disk"]) == (48, "8.2 kB", "393.2 kB")
    assert str(live["time"]).endswith(" in every epoch")


def test_images_that_do_not_divide_into_tiles_are_refused_for_any_tower(tmp_path, store):
    from model.vision.tower import build_vision_tower

    config = load_experiment("smoke")
    build_vision_tower(config.vision_tower).vit.save_pretrained(tmp_path / "tower")
    weights = f"vision_tower.weights={{kind: local, folder: {tmp_path / 'tower'}}}"
    local = load_experiment("smoke", [weights, "features.image_size=100", "features.scales=[1.0]"])
    with pytest.raises(
        ConfigError, match=r"scale 1.0 gives 100 pixels, which is not a multiple of the vision tower's 56"
    ):
        plan_features(local, planned(local, store), store=store)


def test_a_plan_that_does_not_fit_is_refused(store, monkeypatch):
    config = load_experiment("smoke")
    require_space_for(config, planned(config, store), store=store)
    monkeypatch.setattr("pipeline.features.sizes.free_bytes", lambda path: 1000)
    with pytest.raises(StoreError, match=r"the features of 64 images take 524.3 kB as exact; .* has 1.0 kB free"):
        require_space_for(config, planned(config, store), store=store)
    live = load_experiment("smoke", ["features.form=live"])
    require_space_for(live, planned(live, store), store=store)
