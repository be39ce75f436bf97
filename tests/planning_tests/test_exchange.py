"""Artifacts pushed and pulled by the name of an experiment, without the experiment's file."""

import json

import pytest

from pipeline.core.errors import ConfigError, StoreError
from pipeline.core.files import write_text
from pipeline.core.settings import Settings
from pipeline.planning.exchange import pull_named, push_named
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Request
from pipeline.store.remote.storage import open_storage


@pytest.fixture
def share(tmp_path):
    (tmp_path / "share").mkdir()
    return open_storage((tmp_path / "share").as_uri())


def store_with(root, experiment: str, *labels: str) -> ArtifactStore:
    """A store with an artifact for each label, all of one experiment, whose index names one more that is to do."""
    store = ArtifactStore(root)
    requests = [Request(step="dataset", version=1, config={"label": label}) for label in labels]
    for request in requests:
        store.produce(request, lambda directory: (write_text(directory / "file", "content"), {})[1])
    to_do = Request(step="finetune", version=1, config={})
    steps = [
        {"role": f"dataset/{number}", "step": request.step, "fingerprint": request.fingerprint}
        for number, request in enumerate([*requests, to_do])
    ]
    (root / "experiments").mkdir()
    text = json.dumps({"experiment": experiment, "steps": steps})
    (root / "experiments" / f"{experiment}.json").write_text(text, encoding="utf-8")
    return store


def test_a_name_means_what_the_experiments_last_run_made(tmp_path, share):
    here = store_with(tmp_path / "here", "mine", "one", "two")
    here.produce(Request(step="dataset", version=1, config={"label": "of another"}), lambda directory: {})
    assert push_named(["mine"], Settings(store=here.root), storage=share).num_artifacts == 2
    elsewhere = ArtifactStore(tmp_path / "elsewhere")
    assert pull_named(["mine"], Settings(store=elsewhere.root), storage=share).num_artifacts == 2
    assert len(list(elsewhere.manifests())) == 2
    index = json.loads((elsewhere.root / "experiments" / "mine.json").read_text(encoding="utf-8"))
    assert index == json.loads((here.root / "experiments" / "mine.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["nobody", "../mine", "mine.json"])
def test_a_name_that_nobody_knows_is_said(tmp_path, share, name):
    here = store_with(tmp_path / "here", "mine", "one")
    for command in (push_named, pull_named):
        with pytest.raises(ConfigError, match="no experiment is named"):
            command([name], Settings(store=here.root), storage=share)


@pytest.mark.parametrize(
    "step", [{"step": "../..", "fingerprint": "0" * 16}, {"step": "dataset", "fingerprint": "../x"}]
)
def test_an_index_that_leads_out_of_the_store_is_refused(tmp_path, share, step):
    text = json.dumps({"experiment": "mine", "steps": [{"role": "dataset/one", **step}]})
    share.write("experiments/mine.json", text.encode())
    with pytest.raises(StoreError, match="experiments/mine.json is not the index of an experiment; remove it"):
        pull_named(["mine"], Settings(store=tmp_path / "here"), storage=share)
