"""Where a teacher's logits are cached: on the device, in a file, or nowhere.

The rows of an epoch are known on the host before its first step, and are copied to the device once. `put` and `take`
receive both copies, so that no step makes the host wait.

Shape suffixes: R rows of the table, E samples of an epoch, M missing ones, B samples of a step, C classes.
"""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from bansweep.data.host_to_device import to_device


class ScratchTensor:
    """An uninitialised tensor (rows, columns) in an unnamed temporary file, which disappears with the process.

    Raises OSError where the disk cannot hold it. Side effect: the disk space is allocated at once, because a full disk
    would kill a process that writes to a mapped file.
    """

    def __init__(self, rows: int, columns: int, dtype: torch.dtype, *, folder: Path | None = None) -> None:
        self._bytes_of_a_row = columns * dtype.itemsize
        size = rows * self._bytes_of_a_row
        with tempfile.TemporaryFile(dir=folder or scratch_folder()) as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size)
        self.tensor: Tensor = torch.frombuffer(self._map, dtype=dtype).view(rows, columns)

    def will_need(self, first_row: int, rows: int) -> None:
        """Read rows ahead while something else is computed. Rows that do not exist are skipped."""
        first = first_row * self._bytes_of_a_row
        first -= first % mmap.PAGESIZE
        length = min((first_row + rows) * self._bytes_of_a_row, len(self._map)) - first
        if length > 0:
            self._map.madvise(mmap.MADV_WILLNEED, first, length)


def scratch_folder() -> Path:
    """`TMPDIR`; if it is not set, /var/tmp where that can be written: /tmp is often in memory."""
    on_disk = Path("/var/tmp")
    return on_disk if "TMPDIR" not in os.environ and os.access(on_disk, os.W_OK) else Path(tempfile.gettempdir())


def can_hold(size: float) -> bool:
    """Whether a file of `size` bytes leaves at least as much disk space for others."""
    return 2 * size <= shutil.disk_usage(scratch_folder()).free


class Rows(NamedTuple):
    """The same rows of a table (int64) on the host and on the device."""

    on_host: Tensor
    on_device: Tensor

    @classmethod
    def of(cls, rows: Tensor, device: torch.device) -> Rows:
        return cls(rows, to_device(rows, device))

    def slice(self, start: int, end: int) -> Rows:
        return Rows(self.on_host[start:end], self.on_device[start:end])


class KeptLogits(Protocol):
    """Logits by row. Within an epoch, rows are put before they are taken, both in the order of the steps."""

    def missing(self, rows_E: Tensor) -> Tensor:
        """The positions in an epoch's rows (on the host) of the rows that are not cached."""

    def put(self, rows_M: Rows, logits_MC: Tensor) -> None:
        """Cache logits, which are on the device."""

    def take(self, rows_B: Rows) -> Tensor:
        """The logits (B, C) on the device."""

    def will_need(self, rows_B: Rows) -> None:
        """Read rows ahead while something else is computed."""


class LogitsOnDevice:
    """All rows, in the memory of the device."""

    def __init__(self, rows: int, classes: int, dtype: torch.dtype, device: torch.device) -> None:
        self._logits_RC = torch.empty(rows, classes, dtype=dtype, device=device)
        # On the host, where the rows are known: so nothing waits for the device.
        self._filled_R = torch.zeros(rows, dtype=torch.bool)

    def missing(self, rows_E: Tensor) -> Tensor:
        return (~self._filled_R[rows_E]).nonzero()[:, 0]

    def put(self, rows_M: Rows, logits_MC: Tensor) -> None:
        self._logits_RC[rows_M.on_device] = logits_MC
        self._filled_R[rows_M.on_host] = True

    def take(self, rows_B: Rows) -> Tensor:
        return self._logits_RC.index_select(0, rows_B.on_device)

    def will_need(self, rows_B: Rows) -> None:
        pass


class LogitsOnDisk:
    """All rows, in a file that is mapped on the host. Raises OSError if the disk cannot hold it.

    The host waits for the GPU in `put`, but not in `take`.
    """

    def __init__(self, rows: int, classes: int, dtype: torch.dtype, device: torch.device) -> None:
        self._file = ScratchTensor(rows, classes, dtype)
        self._filled_R = torch.zeros(rows, dtype=torch.bool)
        self._device = device

    def missing(self, rows_E: Tensor) -> Tensor:
        return (~self._filled_R[rows_E]).nonzero()[:, 0]

    def put(self, rows_M: Rows, logits_MC: Tensor) -> None:
        self._file.tensor[rows_M.on_host] = logits_MC.cpu()
        self._filled_R[rows_M.on_host] = True

    def take(self, rows_B: Rows) -> Tensor:
        return to_device(self._file.tensor.index_select(0, rows_B.on_host), self._device)

    def will_need(self, rows_B: Rows) -> None:
        for row in rows_B.on_host.tolist():
            self._file.will_need(row, 1)


class PassingLogits:
    """A queue without a cache: holds logits only between `put` and `take`, in this order."""

    def __init__(self, classes: int, dtype: torch.dtype, device: torch.device) -> None:
        self._waiting_BC = torch.empty(0, classes, dtype=dtype, device=device)

    def missing(self, rows_E: Tensor) -> Tensor:
        # Logits left over from an epoch that was not finished are discarded.
        self._waiting_BC = self._waiting_BC[:0]
        return torch.arange(len(rows_E))

    def put(self, rows_M: Rows, logits_MC: Tensor) -> None:
        assert len(rows_M.on_host) == len(logits_MC)
        self._waiting_BC = torch.cat([self._waiting_BC, logits_MC])

    def take(self, rows_B: Rows) -> Tensor:
        taken_BC, self._waiting_BC = self._waiting_BC.tensor_split([len(rows_B.on_host)])
        return taken_BC

    def will_need(self, rows_B: Rows) -> None:
        pass
