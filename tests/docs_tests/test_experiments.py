"""The page on adding an experiment and an LLM: its files are loaded and planned."""

import pytest

from pipeline.config.experiment import load_experiment
from pipeline.core.settings import load_settings
from pipeline.planning.plan import plan_experiment
from pipeline.planning.steps import Role
from tests.support.pages import files_of

FILES = files_of("experiments.md")


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads an experiment of the page from a file of its own."""
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))

    def loaded(name: str):
        path = tmp_path / f"{name}.yaml"
        path.write_text(FILES[f"pipeline/experiments/{name}.yaml"], encoding="utf-8")
        return load_experiment(str(path))

    return loaded


def changed(plan, other) -> list[str]:
    return [str(step.role) for step in plan if step.fingerprint != other[step.role].fingerprint]


def test_an_experiment_is_one_file_and_shares_what_it_does_not_change(load):
    plan = plan_experiment(load("my-experiment"), load_settings())
    different = changed(plan, plan_experiment(load_experiment("llava-jp-v1.1"), load_settings()))
    assert different[:2] == ["pretrain", "finetune"]
    assert "features/pretrain" not in different


def test_another_llm_shares_the_features(load):
    config = load("my-llm")
    assert config.llm.weights.id == "llm-jp/llm-jp-3-3.7b"
    plan, other = (
        plan_experiment(config, load_settings()),
        plan_experiment(load_experiment("llava-jp-v1.1"), load_settings()),
    )
    features = Role("features", "finetune")
    assert plan[features].fingerprint == other[features].fingerprint
    assert plan[Role("pretrain")].fingerprint != other[Role("pretrain")].fingerprint
