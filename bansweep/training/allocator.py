"""How this process's memory comes and goes, on Linux.

A step allocates what the one before has just freed. glibc hands large blocks back to the kernel as soon as they are
free, and the kernel has to clear and map every page of them anew: in a DenseNet-BC-40-12's step 120,000 page faults, a
quarter of its time.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

# <malloc.h>
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_KEPT_BYTES = 2**31 - 1  # the largest int: whatever is free at the heap's end
_AT_A_TIME_BYTES = 64 * 2**20
# Larger blocks are teachers' tables, not activations: these do go back to the kernel.
_LARGEST_BLOCK_BYTES = 2**30


@cache
def keep_freed_memory() -> None:
    """Have freed memory kept for the next step, up to the largest that was needed. Side effect: glibc's settings for
    this process; nothing with another C library or operating system."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
    mallopt(_M_TOP_PAD, _AT_A_TIME_BYTES)


def give_back_freed_memory() -> None:
    """Hand what is kept to the kernel, once a training is over and nothing of it is left.

    A process that trains one generation after another does so in threads of their own, and glibc keeps memory by
    thread: what the last one has freed is not what the next one uses, and each leaves as much again. Side effect:
    this process's memory shrinks.
    """
    if sys.platform != "linux":
        return
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
