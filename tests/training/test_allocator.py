from __future__ import annotations

import subprocess
import sys

import pytest

# The fewest page faults of allocating 120 MB once more, when it was allocated and freed before.
FAULTS = """
import ctypes, resource, sys
from bansweep.training.allocator import keep_freed_memory
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
