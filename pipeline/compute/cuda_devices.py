"""Prints the UUIDs of the GPUs that CUDA gives a process of this environment, in CUDA's order.

It is a process of its own and needs only the driver: one that has asked the driver can not fork workers any more, and
PyTorch takes seconds to load. So ``CUDA_VISIBLE_DEVICES`` is read by CUDA itself, whatever it holds: numbers in
either order of counting, UUIDs or their beginnings, MIG instances, nothing.
"""

import ctypes
import uuid


def main() -> None:
    """Nothing is printed where there is no GPU, or none is visible."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return
    count, device, identity = ctypes.c_int(), ctypes.c_int(), (ctypes.c_ubyte * 16)()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return
    for number in range(count.value):
        failed = driver.cuDeviceGet(ctypes.byref(device), number)
        if failed or driver.cuDeviceGetUuid_v2(ctypes.byref(identity), device):
            raise RuntimeError(f"the driver does not tell the UUID of GPU {number}")
        print(uuid.UUID(bytes=bytes(identity)))


if __name__ == "__main__":
    main()
