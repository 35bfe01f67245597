from __future__ import annotations

import subprocess
import sys

import pytest

# The fewest page faults of allocating 120 MB once more, when it was allocated and freed before.
FAULTS = """
import ctypes, resource, sys
from bansweep.training.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(120_000_000)
    ctypes.memset(block, 1, 120_000_000)
    libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(min(faults() for _ in range(8)))
"""


def faults(how: str) -> int:
    ended = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
    return int(ended.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_memory_that_was_freed_is_used_again_without_the_kernel() -> None:
    # 4 KB pages, or a few huge ones where the kernel gives those.
    assert faults("kept") * 10 <= faults("returned")


# Resident MB that four threads leave behind, one after another, each of which allocates and frees 300 MB in pieces.
LEFT = """
import ctypes, sys, threading
from bansweep.training.memory import give_back_freed_memory, keep_freed_memory
keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6
def work():
    blocks = [libc.malloc(5_000_000) for _ in range(60)]
    for block in blocks:
        ctypes.memset(block, 1, 5_000_000)
    for block in blocks:
        libc.free(block)
before = resident()
for _ in range(4):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if sys.argv[1] == "given back":
        give_back_freed_memory()
print(int(resident() - before))
"""


def left(how: str) -> int:
    ended = subprocess.run([sys.executable, "-c", LEFT, how], capture_output=True, text=True, check=True)
    return int(ended.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="malloc_trim is glibc's")
def test_a_thread_that_ended_leaves_nothing_once_it_is_given_back() -> None:
    assert left("kept") > 200
    assert left("given back") < 60
