"""Leaving on request: all processes agree after which optimizer step they save and go."""

import os
import signal
import threading

import torch
from torch import distributed

from pipeline.core.errors import StoppedError
from pipeline.training.job import TrainingJob

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
"""What schedulers send before they take a machine away; Slurm's ``--signal=USR1@120`` among them."""


class StopRequest:
    """Whether this process was asked to leave. It then has some seconds: it may wait for a peer that is gone."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._asked = threading.Event()

    def listen(self) -> None:
        """Take the signals as requests, from now on."""
        for number in STOP_SIGNALS:
            signal.signal(number, lambda *_: self.ask())

    def ask(self) -> None:
        """Leave after the current optimizer step, and in any case when the time is over."""
        if self._asked.is_set():
            return
        self._asked.set()
        deadline = threading.Timer(self._seconds, os._exit, (1,))
        deadline.daemon = True
        deadline.start()

    def is_agreed(self, device: torch.device) -> bool:
        """Whether any process was asked; all processes call this together, so that all leave after the same step."""
        flag = torch.tensor(int(self._asked.is_set()), device=device)
        distributed.all_reduce(flag, op=distributed.ReduceOp.MAX)
        return bool(flag)


def stopped(job: TrainingJob, *, optimizer_step: int, total: int) -> StoppedError:
    """What to say when a training has saved and leaves."""
    saved = f"saved at optimizer step {optimizer_step} of {total}" if optimizer_step else "nothing was trained yet"
    return StoppedError(f"{job.stage} was asked to stop: {saved}; run the same command again to go on")
