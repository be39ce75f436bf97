"""This process among all of a training. Import it before DeepSpeed: it chooses the accelerator."""

import os
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("DS_ACCELERATOR", "cuda" if Path("/dev/nvidiactl").exists() else "cpu")

import deepspeed
import torch
from deepspeed import comm as dist


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among all of them."""

    rank: int
    num_processes: int
    device: torch.device


def join_ranks() -> Ranks:
    on_gpu = torch.cuda.is_available()
    # A kernel for inference on CPUs, which DeepSpeed would compile for a minute at the first start.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(dist_backend="nccl" if on_gpu else "gloo", verbose=False)
    local_rank = int(os.environ["LOCAL_RANK"])
    if on_gpu:
        torch.cuda.set_device(local_rank)
    device = torch.device("cuda", local_rank) if on_gpu else torch.device("cpu")
    return Ranks(dist.get_rank(), dist.get_world_size(), device)
