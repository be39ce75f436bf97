import math

import pytest

from pipeline.core.errors import TrainingError
from pipeline.training.monitor import SpikeMonitor, require_finite, spike_limit

QUIET = [2.0, 2.1, 1.9] * 10
"""Median 2, of the distances to it 0.1: a standard deviation of 0.14826."""


def test_the_limit_is_six_robust_standard_deviations_above_the_median():
    assert spike_limit(QUIET) == pytest.approx(2 + 6 * 0.14826)


def test_an_earlier_spike_hardly_moves_the_limit():
    assert spike_limit([*QUIET, 50.0]) == pytest.approx(2 + 6 * 0.14826)


def test_nothing_is_a_spike_in_the_beginning_and_a_constant_loss_may_move_by_six_percent():
    assert spike_limit(QUIET[:19]) == math.inf
    assert spike_limit([2.0] * 20) == pytest.approx(2.12)


def test_only_the_last_hundred_optimizer_steps_count():
    assert spike_limit([9.0] * 100 + [2.0] * 100) == pytest.approx(2.12)


def rows(losses):
    return [
        {"optimizer_step": step, "loss": loss, "gradient_norm": 1.0, "num_tokens": 5}
        for step, loss in enumerate(losses, 1)
    ]


def test_a_spike_is_noted_with_its_samples():
    monitor = SpikeMonitor(lambda optimizer_step: [f"a{optimizer_step}", f"b{optimizer_step}"])
    found = [monitor.update(row) for row in rows([*QUIET, 2.5, 3.0])]
    assert found[:-1] == [None] * 31
    assert found[-1] == {
        "optimizer_step": 32,
        "loss": 3.0,
        "limit": pytest.approx(2.88956),
        "gradient_norm": 1.0,
        "samples": "a32, b32",
    }
    assert monitor.spikes == [found[-1]]


def test_the_spikes_of_a_long_training_are_those_of_its_parts():
    losses = [*QUIET, 3.0] * 9
    monitor = SpikeMonitor(lambda _: [])
    for row in rows(losses):
        monitor.update(row)
    expected = [step for step, loss in enumerate(losses) if loss > spike_limit(losses[:step])]
    assert [spike["optimizer_step"] - 1 for spike in monitor.spikes] == expected
    assert len(expected) == 9


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_stops_with_the_step_the_samples_and_the_checkpoint(tmp_path, value):
    require_finite(1.0, "loss", 7, ["a"], tmp_path)
    with pytest.raises(TrainingError) as caught:
        require_finite(value, "loss", 7, ["a", "b"], tmp_path)
    assert str(caught.value) == (
        f"the loss is {value} at optimizer step 7; this step is in no checkpoint. The same command goes on from the "
        "beginning, since there is no whole checkpoint yet and would come here again: look at the samples, or lower "
        "the learning rate. the samples were: a, b"
    )
