"""This process among all of a training."""

import os
from dataclasses import dataclass

import deepspeed
import torch
from deepspeed import comm as dist

from pipeline.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Distributed:
    """This process among all of them."""

    rank: int
    num_processes: int
    device: torch.device


def init_distributed() -> Distributed:
    """Meet the other processes.

    Raises:
        ConfigError: there are more processes than GPUs on this machine.
    """
    on_gpu, local_rank = torch.cuda.is_available(), int(os.environ["LOCAL_RANK"])
    if on_gpu and local_rank >= torch.cuda.device_count():
        raise ConfigError(
            f"there is no GPU for process {local_rank + 1} of this machine, which has {torch.cuda.device_count()}; "
            "lower LLAVA_JP_NUM_PROCESSES, or its slots in the host file"
        )
    # A kernel for inference on CPUs, which DeepSpeed would compile for a minute at the first start.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(dist_backend="nccl" if on_gpu else "gloo", verbose=False)
    if on_gpu:
        torch.cuda.set_device(local_rank)
    device = torch.device("cuda", local_rank) if on_gpu else torch.device("cpu")
    return Distributed(dist.get_rank(), dist.get_world_size(), device)
