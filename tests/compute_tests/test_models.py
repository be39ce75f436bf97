"""Models on the Hub: pinned once, the same from then on, and planned without a network."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from model.config import HubFolder
from pipeline.compute.gpus import named_device
from pipeline.compute.model_sizes import tower_sizes
from pipeline.config.architectures import known_architectures
from pipeline.config.experiment import ExperimentName, load_experiment
from pipeline.core.errors import DataError
from pipeline.core.settings import Settings, load_settings
from pipeline.data.download.models import pin_models, unpinned_models
from pipeline.planning.costs import estimate, workload_of
from pipeline.planning.plan import plan_experiment
from pipeline.planning.steps import Role
from pipeline.planning.training import model_sizes
from pipeline.store.artifacts import ArtifactStore
from tests.support.hub_server import commit_of, running_hub

UNPINNED = [
    "llm.weights={kind: hub, id: someone/llm}",
    "llm.tokenizer={kind: hub, id: someone/llm}",
]


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path))
    return tmp_path


@pytest.fixture
def hub(monkeypatch):
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def fingerprint(config):
    return {str(step.role): step.fingerprint for step in plan_experiment(config, load_settings())}["pretrain"]


def test_a_model_without_a_revision_gets_the_commit_that_the_hub_has_now_and_keeps_it(hub, root):
    hub.add("models/someone/llm", {"config.json": b"{}"}, commit="one")
    config = load_experiment("smoke", UNPINNED)
    before = fingerprint(config)
    assert unpinned_models(config, root=root) == ("someone/llm",)
    pinned = pin_models(config, root=root)
    assert pinned.llm.weights.revision == pinned.llm.tokenizer.revision == commit_of("one")
    assert fingerprint(config) == fingerprint(pinned) != before
    assert unpinned_models(config, root=root) == ()
    hub.add("models/someone/llm", {"config.json": b"{}"}, commit="two")
    num_requests = len(hub.requests)
    assert pin_models(config, root=root) == pinned
    assert len(hub.requests) == num_requests
    assert load_experiment("smoke", [UNPINNED[0][:-1] + f", revision: {commit_of('one')}}}", UNPINNED[1]]) != pinned


def test_an_experiment_whose_models_are_pinned_asks_nobody(root, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    config = load_experiment("llava-jp-v1.1-published-layout")
    assert pin_models(config, root=root) is config


def test_a_model_that_the_hub_does_not_have_is_named(hub, root):
    with pytest.raises(DataError, match="someone/llm"):
        pin_models(load_experiment("smoke", UNPINNED), root=root)


def test_weights_are_never_read_from_a_moving_branch():
    with pytest.raises(ValueError, match="someone/llm is not pinned to a commit yet; a run of the experiment does it"):
        _ = HubFolder(kind="hub", id="someone/llm").commit


IMAGE_TERAFLOPS = {"llava-jp-v1.0": 0.64137}
"""Of one image; of all others those of five tiles, 3.20685."""
FINETUNED_GIGABYTES = {  # the LLM in bfloat16, the projector and, with LoRA, the updates in float32, the tower
    "llava-jp-v1.0": 3.4854,
    "llava-jp-v1.1": 3.4948,
    "llava-jp-v1.1-published-layout": 3.4948,
    "llava-jp-v1.1-lora": 3.5955,
    "llava-jp-llm-jp-3-1.8b": 4.5969,
    "llava-jp-llm-jp-3-1.8b-siglip2": 4.5969,
    "llava-jp-llm-jp-3-3.7b": 8.4579,
    "llava-jp-llm-jp-3-7.2b": 15.515,
    "llava-jp-llm-jp-3-13b": 28.3939,
}


@pytest.mark.parametrize("name", [name for name in ExperimentName if name.startswith("llava-jp-")])
def test_every_real_experiment_is_planned_without_a_network(root, monkeypatch, name):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    config, store = load_experiment(name), ArtifactStore(root)
    plan = plan_experiment(config, Settings(store=root))
    workload = workload_of(config, plan, store=store, settings=Settings())
    costs = estimate(workload, plan, store=store, device=named_device("A100 80GB"))
    assert costs[Role("finetune")].num_bytes == pytest.approx(FINETUNED_GIGABYTES[name] * 1e9, rel=1e-4)
    seconds = 558_128 * IMAGE_TERAFLOPS.get(name, 3.20685) / (0.45 * 312)
    assert costs[Role("features", "pretrain")].seconds == pytest.approx(seconds, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("llava-jp-v1.1", 1.3166),
        ("llava-jp-llm-jp-3-1.8b", 1.8676),
        ("llava-jp-llm-jp-3-3.7b", 3.7829),
        ("llava-jp-llm-jp-3-7.2b", 7.2921),
        ("llava-jp-llm-jp-3-13b", 13.7079),
    ],
)
def test_the_sizes_of_known_models_are_those_of_their_published_files(name, billions):
    # half the bytes of the safetensors files that the Hub lists: 3.74, 7.56, 14.59 and 27.4 GB in bfloat16
    config = load_experiment(name)
    assert model_sizes(config, tower_sizes(config.vision_tower)).num_llm == pytest.approx(billions * 1e9, rel=1e-4)


def test_a_known_vision_tower_has_27_times_27_patches():
    tower = tower_sizes(load_experiment("llava-jp-llm-jp-3-1.8b-siglip2").vision_tower)
    assert (tower.num_patches, tower.tile_size, tower.width, tower.num_layers) == (729, 384, 1152, 27)


def test_every_known_llm_is_of_a_family_that_transformers_builds():
    for name, fields in known_architectures().items():
        if "siglip" not in name:
            with torch.device("meta"):
                llm = AutoModelForCausalLM.from_config(AutoConfig.for_model(**fields))
            assert llm.get_input_embeddings().weight.shape[1] == llm.config.hidden_size, name
