"""One optimizer step on a DeepSpeed engine: the loss of a global batch, its gradients, the update, its figures."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from deepspeed import comm as dist

from pipeline.compute.flops import Work
from pipeline.training.checkpoints.folder import checkpoint_folder
from pipeline.training.collate import Batch
from pipeline.training.distributed import Distributed
from pipeline.training.engine import micro_batches_per_step
from pipeline.training.job import TrainingJob
from pipeline.training.monitor import require_finite
from pipeline.training.prefetch import DevicePrefetcher
from pipeline.training.sampler import Lengths, micro_batches
from pipeline.training.throughput import Counts, counts_of


@dataclass(frozen=True, slots=True)
class OptimizerStep:
    """What every optimizer step needs."""

    job: TrainingJob
    engine: Any
    distributed: Distributed
    prefetcher: DevicePrefetcher
    flops_of: Callable[[Work], float]

    def run(self, batches: list[Batch], optimizer_step: int, names: list[str]) -> dict[str, float]:
        """One optimizer step on some samples. The loss is the mean over all supervised tokens of the global batch.

        The host looks at a figure of the device once, at the end.
        """
        engine, distributed = self.engine, self.distributed
        sums = torch.tensor(counts_of(batches), dtype=torch.float64, device=distributed.device)
        dist.all_reduce(sums)
        learning_rate = engine.get_lr()[0]
        # DeepSpeed divides by the number of micro-batches and of processes; undo it, and divide by the tokens instead.
        num_supervised = sums[Counts._fields.index("num_supervised_tokens")]
        scale = (len(batches) * distributed.num_processes / num_supervised).float()
        total = torch.zeros((), device=distributed.device)
        for inputs in self.prefetcher.inputs(batches):
            loss_sum = engine(*inputs, z_loss=self.job.config.z_loss)
            total += loss_sum.detach()
            engine.backward(loss_sum * scale)
            norm = _gradient_norm_before(engine)
            engine.step()
        dist.all_reduce(total)
        counts = Counts(*sums.tolist())
        loss = float(total) / counts.num_supervised_tokens
        # A step that is no number stops the training before it gets into a checkpoint. DeepSpeed skips some by itself.
        norm = math.inf if engine.skipped_steps else float(engine.get_global_grad_norm() or norm or 0.0)
        for what, value in (("loss", loss), ("gradient norm", norm)):
            require_finite(value, what, optimizer_step, names, checkpoint_folder(self.job.directory))
        return {
            "optimizer_step": optimizer_step,
            "loss": loss,
            "learning_rate": learning_rate,
            "gradient_norm": norm,
            **counts.columns(),
            "model_flops": self.flops_of(counts.work),
        }


def own_micro_batches(
    job: TrainingJob, distributed: Distributed, plan: list[list[int]], lengths: Lengths
) -> list[list[list[int]]]:
    """This process's micro-batches of every optimizer step."""
    count = micro_batches_per_step(job.config, distributed)
    cut = partial(
        micro_batches, lengths=lengths, count=count, rank=distributed.rank, num_processes=distributed.num_processes
    )
    return [cut(batch) for batch in plan]


def _gradient_norm_before(engine: Any) -> float | None:
    """DeepSpeed tells the norm of its ZeRO and bf16 optimizers only; otherwise the parameters hold the gradients."""
    if engine.zero_optimization_stage() or engine.bfloat16_enabled() or not engine.is_gradient_accumulation_boundary():
        return None
    gradients = [parameter.grad for parameter in engine.module.parameters() if parameter.grad is not None]
    return float(torch.nn.utils.get_total_norm(gradients))
