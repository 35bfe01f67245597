"""What an epoch takes of its machine: processor time and memory of this process, and memory of its GPU."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

_STATM = Path("/proc/self/statm")
_BYTES_OF_A_MEGABYTE = 1e6


class SystemMeter:
    """Measures from one `reading` to the next, the first from when it was made.

    Of several workers each measures its own process. Side effect: PyTorch's peak of the GPU's memory begins anew.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._begin()

    def reading(self) -> dict[str, float]:
        """Names that MLflow shows below `system/`, with their figures.

        `process_cpu_percentage`: processor time by wall time, 100 for one busy core. `process_memory_megabytes`:
        resident now, where the operating system says so. `gpu_peak_memory_megabytes`: the most that tensors took.
        """
        wall_s, cpu_s = time.perf_counter() - self._wall_at, time.process_time() - self._cpu_at
        read = {"process_cpu_percentage": 100 * cpu_s / wall_s} if wall_s > 0 else {}
        if (resident := _resident_bytes()) is not None:
            read["process_memory_megabytes"] = resident / _BYTES_OF_A_MEGABYTE
        if self._device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self._device)
            read["gpu_peak_memory_megabytes"] = peak / _BYTES_OF_A_MEGABYTE
        self._begin()
        return read

    def _begin(self) -> None:
        self._wall_at, self._cpu_at = time.perf_counter(), time.process_time()
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)


def _resident_bytes() -> int | None:
    """Linux says it; elsewhere it is unknown."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
