"""The learning rate of a stage: what would be trained at rate 0 throughout is refused."""

import pytest

from pipeline.config.experiment import load_experiment
from pipeline.training.optimizers import cosine_with_warmup, why_nothing_is_learned

SMOKE = load_experiment("smoke").finetune  # batches of 8, a warm-up


@pytest.mark.parametrize(
    ("changes", "num_samples", "num_steps"),
    [
        ({}, 8, 1),
        ({}, 9, 2),
        ({"num_epochs": 2}, 1, 2),
        ({"warmup_fraction": 0.0}, 8, 1),
        ({"warmup_fraction": 0.9}, 9, 2),
    ],
)
def test_a_stage_is_refused_exactly_when_its_rate_is_0_throughout(changes, num_samples, num_steps):
    config = SMOKE.model_copy(update={"num_epochs": 1, "global_batch_size": 8, **changes})
    factor = cosine_with_warmup(num_steps, warmup_fraction=config.warmup_fraction)
    is_refused = why_nothing_is_learned("finetune", config, num_samples=num_samples) is not None
    assert is_refused == (not any(factor(step) for step in range(num_steps)))


def test_the_refusal_says_what_to_change():
    config = SMOKE.model_copy(update={"num_epochs": 1, "global_batch_size": 16})
    assert why_nothing_is_learned("finetune", config, num_samples=5) == (
        "finetune has 5 samples for batches of 16: one optimizer step, the first of the warm-up, whose learning rate "
        "is 0, so that nothing would be learned. Lower finetune.global_batch_size, raise finetune.num_epochs, or set "
        "finetune.warmup_fraction: 0"
    )
