"""What ``llava-jp show`` says about the training."""

import re

import pytest
from typer.testing import CliRunner

from flows.cli.main import app


@pytest.fixture
def show(tmp_path, monkeypatch):
    """Runs the command with a store of its own on a wide terminal."""
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path))
    monkeypatch.setattr("flows.cli.terminal.console.width", 160, raising=False)
    for name in ("NUM_PROCESSES", "ZERO_STAGE", "OFFLOAD"):
        monkeypatch.delenv(f"LLAVA_JP_{name}", raising=False)
    return lambda *options: CliRunner().invoke(app, ["show", "smoke", *options])


def test_the_training_is_predicted_on_a_gpu_that_is_named(show):
    done = show("--gpu", "rtx 4090")
    assert done.exit_code == 0, done.output
    assert "Training on RTX 4090" in done.output
    assert "hours are 45 % of its 165 TFLOP/s in bfloat16" in done.output
    assert re.search(r"│ finetune +│ [\d.e+]+ +│ +1 │ [\d.]+ s +│ [\d.]+ GiB +│ yes", done.output)
    assert done.output.count("Memory of one device; chosen are ZeRO 0 and kept activations") == 2
    assert "pretrain, GiB" in done.output
    assert "in all, recomputed" in done.output


def test_without_a_gpu_the_memory_is_that_of_this_machine(show):
    done = show()
    assert done.exit_code == 0, done.output
    assert "Training on" not in done.output
    assert "finetune, GiB" in done.output


def test_a_gpu_that_is_not_known_is_refused_with_those_that_are(show):
    done = show("--gpu", "RTX 9090")
    assert done.exit_code == 1
    assert "no GPU is known as 'RTX 9090'; there are: RTX 3090" in done.output
