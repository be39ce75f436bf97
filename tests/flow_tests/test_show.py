"""What ``llava-jp show`` prints: one screen, and more on request."""

import re

import pytest
from typer.testing import CliRunner

from flows.cli.main import app


@pytest.fixture
def show(tmp_path, monkeypatch):
    """Runs the command with a store of its own on a wide terminal."""
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("flows.cli.terminal.console.width", 160, raising=False)
    for name in ("NUM_PROCESSES", "ZERO_STAGE", "OFFLOAD"):
        monkeypatch.delenv(f"LLAVA_JP_{name}", raising=False)
    return lambda *arguments: CliRunner().invoke(app, ["show", *arguments])


def seconds_of(output: str, role: str) -> str:
    """The cell of the table."""
    found = re.search(rf"│ {role} +│ \w+ +│ to do │ +\S+ \w+ │ +~(.+?) │", output)
    assert found is not None, output
    return found[1]


@pytest.mark.parametrize("name", ["smoke", "llava-jp-v1.1"])
def test_an_experiment_is_one_screen(show, name):
    shown = show(name)
    assert len(shown.output.splitlines()) <= 40
    assert shown.output.startswith(f"{name} in ")
    for more in ("hidden_size: ", "ZeRO 0"):
        assert more not in shown.output


def test_models_and_data_are_one_line(show):
    assert (
        "vision tower random siglip (1.66 M parameters), LLM random llama (0.05366 M); "
        "48 samples on 48 images (pretrain) and 96 samples on 16 images (finetune)\n"
    ) in show("smoke").output


def test_every_step_that_computes_is_forecast_for_the_gpu_that_is_named(show):
    shown = show("llava-jp-v1.1", "--gpu", "rtx 4090")
    assert "times of steps that compute are at 45 % of 165 TFLOP/s, the peak of RTX 4090 in bfloat16" in shown.output
    times = {
        "features/pretrain": "6 h 41 min",  # 558,128 images of 3.207e12 operations over 7.434e13 a second
        "features/finetune": "4 h 12 min",
        "pretrain": "9 h 7 min",
        "finetune": "20 h 38 min",
        "predictions/japanese-heron-bench/all": "88 s",
    }
    assert {role: seconds_of(shown.output, role) for role in times} == times


def test_what_a_gpu_cannot_hold_is_said_with_what_would_do(show):
    shown = show("llava-jp-v1.1", "--gpu", "RTX 4080")
    assert "finetune will not fit RTX 4080 with 16 GiB: it needs 17.2 GiB" in shown.output
    largest = show("llava-jp-llm-jp-3-13b", "--gpu", "RTX 4080").output
    assert re.search(r"predictions/\S+ will not fit RTX 4080: it needs 56.\d GB of 17.2 GB", largest)


def test_the_disk_that_the_steps_fill_is_compared_with_what_is_free(show, monkeypatch):
    monkeypatch.setattr("flows.cli.show.free_bytes", lambda path: 8_000_000)
    assert re.search(
        r"to do are 13 steps: 7.6 MB on disk, .* s; 8.0 MB free on the disk of the store\n", show("smoke").output
    )
    monkeypatch.setattr("flows.cli.show.free_bytes", lambda path: 7_000_000)
    assert "7.0 MB free on the disk of the store, NOT ENOUGH\n" in show("smoke").output


def test_an_experiment_that_is_done_has_nothing_to_do(show, monkeypatch):
    monkeypatch.setattr("flows.cli.show.free_bytes", lambda path: 7_000_000)
    monkeypatch.setattr("pipeline.store.artifacts.ArtifactStore.is_whole", lambda store, request: True)
    shown = show("smoke").output
    assert "every step is done; 7.0 MB free on the disk of the store\n" in shown
    assert "to do" not in shown


def test_without_a_gpu_the_rate_is_that_of_this_machine(show):
    shown = show("smoke")
    assert shown.exit_code == 0, shown.output
    assert re.search(r"are at 45 % of [\d.]+ TFLOP/s, (measured on this machine now|the peak of .*)\n", shown.output)


def test_the_configuration_and_the_memory_under_each_zero_stage_come_on_request(show):
    shown = show("smoke", "--config", "--memory", "--gpu", "RTX 4090")
    assert shown.exit_code == 0, shown.output
    assert "hidden_size: 32" in shown.output
    assert shown.output.count("Memory of one device; chosen are ZeRO 0 and kept activations") == 2
    assert "pretrain, GiB" in shown.output
    assert "in all, recomputed" in shown.output


def test_a_gpu_that_is_not_known_is_refused_with_those_that_are(show):
    done = show("smoke", "--gpu", "RTX 9090")
    assert done.exit_code == 1
    assert "no GPU is known as 'RTX 9090'; there are: RTX 3090" in done.output
