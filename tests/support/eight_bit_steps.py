"""One optimizer step with 8-bit moments under each ZeRO stage, in one process; prints what the optimizer holds."""

import json

import deepspeed

from pipeline.config.experiment import load_experiment
from pipeline.training.distributed import init_distributed
from pipeline.training.optimizers import build_optimizer
from tests.model_tests.test_vlm import places_of, training_batch
from tests.support.small_model import build_vlm


def main():
    init_distributed()
    changes = {"optimizer": "adamw-8bit", "projector_learning_rate": 1e-4}
    config = load_experiment("smoke").finetune.model_copy(update=changes)
    found = {}
    for stage in (1, 2, 3):
        vlm = build_vlm("llama")
        vlm.prepare_stage("finetune")
        sizes = {name: parameter.numel() for name, parameter in vlm.named_parameters()}
        optimizer = build_optimizer(config, vlm)
        rates = [(group["lr"], group["moment_bits"]) for group in optimizer.param_groups]
        engine, *_ = deepspeed.initialize(
            model=vlm,
            optimizer=optimizer,
            config={
                "train_batch_size": 1,
                "bf16": {"enabled": True},
                "zero_optimization": {"stage": stage},
                "data_types": {"grad_accum_dtype": "fp32"},
                "zero_allow_untested_optimizer": True,
                "steps_per_print": 10**9,
            },
        )
        ids, labels, features = training_batch()
        engine.backward(engine(ids, *places_of(ids, labels), features))
        engine.step()
        moments: dict[str, int] = {}
        for state in optimizer.state.values():
            for moment in (state["state1"], state["state2"]):
                moments[str(moment.dtype)] = moments.get(str(moment.dtype), 0) + moment.numel() * moment.element_size()
        found[stage] = {"moments": moments, "rates": rates, "sizes": sizes}
    print("@found", json.dumps(found))
