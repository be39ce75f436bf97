"""What known GPUs can do at most: dense bfloat16 matrix products with float32 accumulation, and their memory.

From NVIDIA's data sheets and architecture white papers. Figures there "with sparsity" are halved; GeForce cards compute
products that accumulate in float32, as training needs them, at half the rate of those that accumulate in float16.
"""

import os
from dataclasses import dataclass

import torch

from pipeline.compute.model_sizes import matrix_rate
from pipeline.core.errors import ConfigError

GIB = 2**30
EXPECTED_MFU = 0.45
"""Part of a device's peak that forecasts assume for every step that computes: the goal of ``make bench-train``."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A model of GPU under the name that is asked for."""

    name: str
    device_names: tuple[str, ...]
    """How drivers call it."""
    teraflops: float
    """Dense bfloat16, 10^12 operations a second."""
    memory_gib: int


GPUS: tuple[Gpu, ...] = (
    Gpu("RTX 3090", ("NVIDIA GeForce RTX 3090",), 71.0, 24),
    Gpu("RTX 4080", ("NVIDIA GeForce RTX 4080",), 97.5, 16),
    Gpu("RTX 4090", ("NVIDIA GeForce RTX 4090",), 165.2, 24),
    Gpu("RTX 5090", ("NVIDIA GeForce RTX 5090",), 209.5, 32),
    Gpu("RTX A6000", ("NVIDIA RTX A6000",), 154.8, 48),
    Gpu("RTX 6000 Ada", ("NVIDIA RTX 6000 Ada Generation",), 364.2, 48),
    Gpu("L4", ("NVIDIA L4",), 121.0, 24),
    Gpu("L40S", ("NVIDIA L40S",), 362.0, 48),
    Gpu("A10", ("NVIDIA A10",), 125.0, 24),
    Gpu("A10G", ("NVIDIA A10G",), 70.0, 24),
    Gpu("A100 40GB", ("NVIDIA A100-SXM4-40GB", "NVIDIA A100-PCIE-40GB"), 312.0, 40),
    Gpu("A100 80GB", ("NVIDIA A100-SXM4-80GB", "NVIDIA A100 80GB PCIe"), 312.0, 80),
    Gpu("H100", ("NVIDIA H100 80GB HBM3",), 989.4, 80),
    Gpu("H100 PCIe", ("NVIDIA H100 PCIe",), 756.0, 80),
    Gpu("H100 NVL", ("NVIDIA H100 NVL",), 835.0, 94),
    Gpu("H200", ("NVIDIA H200",), 989.4, 141),
    Gpu("B200", ("NVIDIA B200",), 2250.0, 180),
)


def find_gpu(name: str) -> Gpu:
    """A known GPU by its short name or its driver's, in any case.

    Raises:
        ConfigError: it is not in the table; the message lists the names that are.
    """
    for gpu in GPUS:
        if name.casefold() in (known.casefold() for known in (gpu.name, *gpu.device_names)):
            return gpu
    names = ", ".join(gpu.name for gpu in GPUS)
    raise ConfigError(f"no GPU is known as {name!r}; there are: {names}")


@dataclass(frozen=True, slots=True)
class Peak:
    """The rate that model FLOPs utilisation is a part of."""

    flops_per_second: float
    is_measured: bool
    """Not in the table: the rate of this device's own matrix products, measured when the training began."""

    def at_least(self, flops_per_second: float) -> "Peak":
        """The same, unless it was measured while other programs ran: what was reached since was possible then."""
        return Peak(max(self.flops_per_second, flops_per_second), True) if self.is_measured else self


def device_peak(device: torch.device) -> Peak:
    """Of the device that trains: from the table, or measured where it is not in it, as on CPUs."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        for gpu in GPUS:
            if name in gpu.device_names:
                return Peak(gpu.teraflops * 1e12, is_measured=False)
    return Peak(matrix_rate(), is_measured=True)


@dataclass(frozen=True, slots=True)
class Device:
    """What forecasts compute with."""

    name: str
    memory_bytes: int
    peak: Peak

    def seconds(self, flops: float) -> float:
        """What some operations take."""
        return flops / (self.peak.flops_per_second * EXPECTED_MFU)

    @property
    def assumption(self) -> str:
        """What the seconds rest on, for people."""
        rate = f"{100 * EXPECTED_MFU:.0f} % of {self.peak.flops_per_second / 1e12:.3g} TFLOP/s"
        where = "measured on this machine now" if self.peak.is_measured else f"the peak of {self.name} in bfloat16"
        return f"times of steps that compute are at {rate}, {where}"


def named_device(name: str) -> Device:
    """A GPU of the table, wherever it is.

    Raises:
        ConfigError: it is not in the table.
    """
    gpu = find_gpu(name)
    return Device(gpu.name, gpu.memory_gib * GIB, Peak(gpu.teraflops * 1e12, is_measured=False))


def own_device() -> Device:
    """This machine's first GPU; without one its cores and its memory."""
    if torch.cuda.is_available():
        memory_bytes = torch.cuda.get_device_properties(0).total_memory
        return Device(torch.cuda.get_device_name(), memory_bytes, device_peak(torch.device("cuda")))
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Device("this machine's memory", memory_bytes, device_peak(torch.device("cpu")))
