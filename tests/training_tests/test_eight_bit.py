"""8-bit moments under DeepSpeed, whose ZeRO puts flat partitions in the place of the parameters."""

import json
import subprocess
import sys

import pytest

from tests.support.commands import REPOSITORY, clean_environment

pytestmark = pytest.mark.slow

ONE_STEP_OF_EACH = """
import json, sys
from pipeline.training.distributed import init_distributed
import deepspeed, torch
from pipeline.config.experiment import load_experiment
from pipeline.training.optimizers import build_optimizer
from tests.support.small_model import build_vlm
from tests.model_tests.test_vlm import places_of, training_batch

distributed = init_distributed()
changes = {"optimizer": "adamw-8bit", "projector_learning_rate": 1e-4}
config = load_experiment("smoke").finetune.model_copy(update=changes)
found = {}
for stage in (1, 2, 3):
    vlm = build_vlm("llama")
    vlm.prepare_stage("finetune")
    sizes = {name: parameter.numel() for name, parameter in vlm.named_parameters()}
    optimizer = build_optimizer(config, vlm)
    rates = [(group["lr"], group["moment_bits"]) for group in optimizer.param_groups]
    engine, *_ = deepspeed.initialize(model=vlm, optimizer=optimizer, config={
        "train_batch_size": 1, "bf16": {"enabled": True}, "zero_optimization": {"stage": stage},
        "data_types": {"grad_accum_dtype": "fp32"},
        "zero_allow_untested_optimizer": True, "steps_per_print": 10**9,
    })
    ids, labels, features = training_batch()
    engine.backward(engine(ids, *places_of(ids, labels), features))
    engine.step()
    moments = {}
    for state in optimizer.state.values():
        for moment in (state["state1"], state["state2"]):
            moments[str(moment.dtype)] = moments.get(str(moment.dtype), 0) + moment.numel() * moment.element_size()
    found[stage] = {"moments": moments, "rates": rates, "sizes": sizes}
print("@found", json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    environment = {
        **clean_environment(tmp_path_factory.getbasetemp()),
        **{"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29517"},
        "PYTHONWARNINGS": "ignore",
        "TRANSFORMERS_VERBOSITY": "error",
    }
    command = [sys.executable, "-c", ONE_STEP_OF_EACH]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("@found ")]
    assert lines, done.stdout + done.stderr
    return json.loads(lines[0].removeprefix("@found "))


@pytest.mark.parametrize("zero_stage", ["1", "2", "3"])
def test_the_moments_of_embeddings_have_32_bits_and_all_others_8(found, zero_stage):
    sizes, moments = found[zero_stage]["sizes"], found[zero_stage]["moments"]
    embeddings = sizes["llm.model.embed_tokens.weight"]
    projector = sum(size for name, size in sizes.items() if name.startswith("projector."))
    others = sum(sizes.values()) - embeddings - projector
    small = projector if projector < 4096 else 0  # bitsandbytes keeps 32 bits below 4096 numbers
    assert moments["torch.float32"] == pytest.approx(2 * 4 * (embeddings + small), rel=0.01)
    assert moments["torch.uint8"] == pytest.approx(2 * (others + projector - small), rel=0.01)


def test_the_projector_has_its_own_learning_rate_and_the_first_group_that_of_the_stage(found):
    assert found["2"]["rates"] == [[2e-3, 32], [2e-3, 8], [1e-4, 8]]
