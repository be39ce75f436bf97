"""Runs that take turns on this machine's devices; the list of GPUs is made up, the locks are real."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline.compute import devices
from pipeline.compute.devices import exclusive_devices, visible_gpus
from pipeline.core.errors import StoreError
from tests.support.shared_data import REPOSITORY

DRIVER = """
#include <stdlib.h>
#include <string.h>
static int visible(void) { return atoi(getenv("FAKE_GPUS")); }
int cuInit(unsigned flags) { return visible() ? 0 : 100; }  /* CUDA_ERROR_NO_DEVICE */
int cuDeviceGetCount(int *count) { *count = visible(); return 0; }
int cuDeviceGet(int *device, int number) { *device = number + 7; return 0; }
int cuDeviceGetUuid_v2(char *uuid, int device) { memset(uuid, 16 * device, 16); return 0; }
"""


@pytest.fixture
def locks(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(devices, "GPU_LOCKS", tmp_path)
    return tmp_path


class Turns:
    """Runs in threads, each with the GPUs that are visible to it: who holds its devices, who waits for them."""

    def __init__(self, monkeypatch, tmp_path):
        self._visible, self._tmp_path = threading.local(), tmp_path
        monkeypatch.setattr(devices, "visible_gpus", lambda: self._visible.gpus)
        self._threads = []

    def start(self, gpus, *, count=1, store="store"):
        """A run that holds its devices until it is told to end."""
        holds, end = threading.Event(), threading.Event()

        def run():
            self._visible.gpus = gpus
            with exclusive_devices(count, store_root=self._tmp_path / store):
                holds.set()
                end.wait(20)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self._threads.append((thread, end))
        return holds, end

    def end(self):
        for _, end in self._threads:
            end.set()
        for thread, _ in self._threads:
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def turns(locks, monkeypatch):
    turns = Turns(monkeypatch, locks)
    yield turns
    turns.end()


def take_turns(first, second) -> bool:
    """Whether the second run waits for the end of the first, which holds its devices."""
    (_, first_ends), (second_holds, _) = first, second
    waited = not second_holds.wait(0.3)
    first_ends.set()
    assert second_holds.wait(10)
    return waited


@pytest.mark.parametrize(
    ("first", "second", "waits"),
    [
        ((["a"], 1), (["b"], 1), False),
        ((["a", "b"], 2), (["b"], 1), True),
        ((["a", "b"], 1), (["b", "a"], 1), False),  # one process of two GPUs takes the first
        ((["a", "b"], 2), (["b", "a"], 2), True),
        ((["a"], 4), (["a", "b", "c", "d"], 1), True),  # more processes than GPUs: all of them
        ((["a"], 1), (["a"], 0), False),  # a step that needs no device
    ],
)
def test_runs_wait_for_each_other_only_on_the_same_gpu(turns, first, second, waits):
    earlier = turns.start(first[0], count=first[1], store="one")
    assert earlier[0].wait(10)
    assert take_turns(earlier, turns.start(second[0], count=second[1], store="another")) is waits


@pytest.mark.parametrize(("store", "waits"), [("one", True), ("another", False)])
def test_without_a_gpu_the_runs_of_one_store_take_turns(turns, store, waits):
    first = turns.start([], store="one")
    assert first[0].wait(10)
    assert take_turns(first, turns.start([], store=store)) is waits


def test_no_two_runs_wait_for_each_other_for_ever(turns):
    for _ in range(10):
        for gpus in (["a", "b", "c"], ["c", "b", "a"], ["b", "c"]):
            _, end = turns.start(gpus, count=3)
            end.set()
    turns.end()


def test_the_lock_of_a_killed_run_is_free(locks, turns):
    hold = f"""
import time
from pathlib import Path
from pipeline.compute import devices
devices.GPU_LOCKS = Path({str(locks)!r})
devices.visible_gpus = lambda: ["a"]
with devices.exclusive_devices(1, store_root=Path()):
    print("held", flush=True)
    time.sleep(600)
"""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True, env=environment)
    assert run.stdout.readline() == "held\n"
    waits, _ = turns.start(["a"])
    assert not waits.wait(0.3)
    run.kill()
    run.wait()
    assert waits.wait(10)


def test_a_lock_that_another_user_made_can_be_held(locks, turns, monkeypatch):
    (locks / "llava-jp-gpu-a.lock").touch(mode=0o444)
    opened = os.open

    def as_another_user(path, flags, *mode):  # root may write everything
        if flags & os.O_CREAT:
            raise PermissionError(path)
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", as_another_user)
    first = turns.start(["a"])
    assert first[0].wait(10)
    assert take_turns(first, turns.start(["a"]))


def test_a_lock_can_be_read_by_others_whatever_the_umask_is(locks, turns):
    before = os.umask(0o077)
    try:
        assert turns.start(["a"])[0].wait(10)
    finally:
        os.umask(before)
    assert (locks / "llava-jp-gpu-a.lock").stat().st_mode & 0o777 == 0o644


def test_a_link_that_somebody_laid_in_a_locks_place_is_not_followed(locks, monkeypatch):
    monkeypatch.setattr(devices, "visible_gpus", lambda: ["a"])
    (locks / "precious").write_text("all of it")
    (locks / "llava-jp-gpu-a.lock").symlink_to(locks / "precious")
    with pytest.raises(StoreError, match=r"llava-jp-gpu-a.lock should be the file of a lock and is a link"):
        exclusive_devices(1, store_root=locks / "store").__enter__()
    assert (locks / "precious").read_text() == "all of it"


def test_another_name_of_a_private_file_does_not_make_it_public(locks, monkeypatch):
    monkeypatch.setattr(devices, "visible_gpus", lambda: ["a"])
    (locks / "private").write_text("all of it")
    (locks / "private").chmod(0o600)
    (locks / "llava-jp-gpu-a.lock").hardlink_to(locks / "private")
    with exclusive_devices(1, store_root=locks / "store"):
        assert ((locks / "private").read_text(), (locks / "private").stat().st_mode & 0o777) == ("all of it", 0o600)


@pytest.mark.parametrize(("visible", "bytes_of_uuids"), [("2", ["70", "80"]), ("0", [])])
def test_the_driver_names_the_gpus_that_are_visible(tmp_path, monkeypatch, visible, bytes_of_uuids):
    (tmp_path / "driver.c").write_text(DRIVER)
    compiler = ["cc", "-shared", "-fPIC", "-o", str(tmp_path / "libcuda.so.1"), str(tmp_path / "driver.c")]
    subprocess.run(compiler, check=True)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.setenv("FAKE_GPUS", visible)
    assert [gpu.replace("-", "") for gpu in visible_gpus()] == [two * 16 for two in bytes_of_uuids]


@pytest.mark.gpu
def test_a_gpu_has_one_name_however_it_is_chosen(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    first, *_ = visible_gpus()
    for chosen in ("0", f"GPU-{first}", f"GPU-{first[:8]}"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
        assert visible_gpus() == [first]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []
