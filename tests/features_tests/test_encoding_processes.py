"""Features encoded by several processes, killed in the middle and started again with another number of them."""

import json
import os
import signal
import sys

import pytest
from PIL import Image

from model.config import RandomVisionTower, VisionTowerConfig
from pipeline.config.experiment import FeatureConfig, LocalSource
from pipeline.core.settings import Settings
from pipeline.data.prepare import prepare_dataset
from pipeline.features.reader import FeatureReader
from pipeline.features.step import cache_features, on_this_machine
from pipeline.store.artifacts import ArtifactStore
from tests.support.commands import Commands, clean_environment, training_processes, wait_until

NUM_IMAGES = 60
NUM_SHARDS = 15
CONFIG = FeatureConfig(image_size=96, scales=(1.0, 0.5), images_per_shard=NUM_IMAGES // NUM_SHARDS)
TOWER = VisionTowerConfig(
    weights=RandomVisionTower(
        kind="random",
        tile_size=48,
        patch_size=4,
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=8,
        num_attention_heads=4,
    )
)
"""Large enough to take a second or so: there is time to be killed."""

CACHE = """
import sys
from pathlib import Path
from tests.features_tests.test_encoding_processes import encode
encode(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def encode(folder, root):
    """The features of some pictures in a store."""
    store = ArtifactStore(root)
    source = LocalSource(kind="local", annotations=folder / "records.json", images=folder / "images")
    dataset = prepare_dataset(source, store=store)
    return cache_features(TOWER, CONFIG, dataset=dataset, store=store, run_job=on_this_machine(Settings()))


@pytest.fixture
def pictures(tmp_path, forked_workers):
    folder = tmp_path / "pictures"
    (folder / "images").mkdir(parents=True)
    talk = [{"from": "human", "value": "<image>\n何色ですか。"}, {"from": "gpt", "value": "赤です。"}]
    for number in range(NUM_IMAGES):
        Image.new("RGB", (40 + number, 50), (4 * number, 99, 30)).save(folder / "images" / f"{number}.png")
    rows = [{"id": str(number), "image": f"{number}.png", "conversations": talk} for number in range(NUM_IMAGES)]
    (folder / "records.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return folder


def payloads(root) -> dict[str, bytes]:
    """The bytes of every shard's files but its manifest, which says when it was made."""
    files = (root / "artifacts" / "feature_shard").glob("*/*.parquet")
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in files}


@pytest.mark.slow
@pytest.mark.long
def test_killed_encoding_goes_on_with_another_number_of_processes_to_the_same_bytes(pictures, tmp_path, monkeypatch):
    for name in set(os.environ) - set(clean_environment(tmp_path)):
        monkeypatch.delenv(name)
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    monkeypatch.setenv("LLAVA_JP_STORE", str(undisturbed))
    whole = encode(pictures, undisturbed)
    expected = payloads(undisturbed)
    assert len(expected) == 2 * NUM_SHARDS

    commands = Commands(clean_environment(tmp_path))
    command = (sys.executable, "-c", CACHE, str(pictures), str(killed))
    settings = {"LLAVA_JP_STORE": str(killed), "LLAVA_JP_NUM_DECODERS": "1"}
    run = commands.started(*command, log=tmp_path / "log", LLAVA_JP_NUM_PROCESSES="2", **settings)

    def num_done():
        return len(list(killed.glob("artifacts/feature_shard/*/manifest.json")))

    try:
        wait_until(lambda: num_done() >= 2, seconds=150, what="two shards are done")
    finally:
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    wait_until(lambda: not training_processes(killed), seconds=20, what="the encoding processes are gone")
    kept = payloads(killed)
    assert 2 <= num_done() < NUM_SHARDS
    assert not list(killed.glob("artifacts/features/*"))

    again = commands.finished(*command, LLAVA_JP_NUM_PROCESSES="3", **settings)
    assert again.returncode == 0, again.stdout + again.stderr
    assert payloads(killed) == expected
    assert set(kept) < set(expected)
    manifest = ArtifactStore(killed).find(whole.request)
    assert (manifest.files, manifest.summary) == (whole.files, whole.summary)
    with FeatureReader(manifest.directory) as reader:
        assert len(reader) == NUM_IMAGES
