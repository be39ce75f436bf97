"""Training states that no process shares with another (ZeRO 0), to and from DeepSpeed's universal checkpoint.

DeepSpeed converts what is partitioned. Without a partition any number of processes goes on as it is; this is for the
way from one device to several, and back. ZeRO 1 on one device would need none of it, but adds gradients up in another
order: in float32 its weights differ from these in their last bits, under the same fingerprint.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

MOMENTS = ("exp_avg", "exp_avg_sq")
MODEL_STATES = "mp_rank_00_model_states.pt"


def parameter_names(engine: Any) -> list[list[str]]:
    """The trained parameters of each of the optimizer's groups, in its order; only without a partition."""
    if engine.zero_optimization_stage():
        return []
    names = {id(parameter): name for name, parameter in engine.module.named_parameters()}
    return [[names[id(parameter)] for parameter in group] for group in _weights(engine.optimizer)]


def _weights(optimizer: Any) -> list[list[torch.nn.Parameter]]:
    """The model's own parameters; in bfloat16 DeepSpeed's optimizer holds float32 copies beside them."""
    if hasattr(optimizer, "fp16_groups"):
        return [list(group) for group in optimizer.fp16_groups]
    return [list(group["params"]) for group in optimizer.param_groups]


def _masters(optimizer: Any) -> list[list[torch.Tensor]]:
    """What the optimizer changes: float32 copies in bfloat16, otherwise the parameters themselves."""
    return [list(group) for group in getattr(optimizer, "fp32_groups", _weights(optimizer))]


def universal_state(states: dict[str, Any], names: Sequence[Sequence[str]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The float32 weights and the moments of each trained parameter, out of ``MODEL_STATES``."""
    optimizer, masters = states["optimizer"], None
    if "fp32_groups" in optimizer:
        optimizer, masters = optimizer["optimizer_state_dict"], optimizer["fp32_groups"]
    for index, (group, group_names) in enumerate(zip(optimizer["param_groups"], names, strict=True)):
        for position, (key, name) in enumerate(zip(group["params"], group_names, strict=True)):
            weight = states["module"][name] if masters is None else masters[index][position]
            moments = {moment: optimizer["state"][key][moment] for moment in MOMENTS}
            yield name, {"fp32": weight.detach().float(), **moments}


@torch.no_grad()
def load_unpartitioned(engine: Any, universal: Path) -> None:
    """Weights, moments and schedule of a universal checkpoint into an engine without a partition."""
    states = torch.load(universal / MODEL_STATES, map_location="cpu", weights_only=True)
    optimizer = engine.optimizer
    inner = getattr(optimizer, "optimizer", optimizer)
    names = parameter_names(engine)
    for group, weights, masters in zip(names, _weights(optimizer), _masters(optimizer), strict=True):
        for name, weight, master in zip(group, weights, masters, strict=True):
            folder = universal / "zero" / name
            value = torch.load(folder / "fp32.pt", map_location="cpu", weights_only=True)["param"].view(weight.shape)
            master.copy_(value)
            weight.copy_(value)
            step = torch.load(folder / "step.pt", map_location=master.device, weights_only=True)
            inner.state[master] = {"step": step}
            for moment in MOMENTS:
                tensor = torch.load(folder / f"{moment}.pt", map_location=master.device, weights_only=True)["param"]
                inner.state[master][moment] = tensor.view(weight.shape).clone()
    engine.lr_scheduler.load_state_dict(states["lr_scheduler"])
    for group, rate in zip(inner.param_groups, engine.lr_scheduler.get_last_lr(), strict=True):
        group["lr"] = rate
    engine.global_steps = states["global_steps"]
    engine.global_samples = states["global_samples"]
    engine.skipped_steps = states["skipped_steps"]
