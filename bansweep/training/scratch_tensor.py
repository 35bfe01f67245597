"""Tensors that lie in a file of this process's own: larger than its memory, read back at the speed of the disk."""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from pathlib import Path

import torch
from torch import Tensor


class ScratchTensor:
    """An uninitialised tensor (rows, columns) in a nameless file, which is gone with the process however that ends.

    Raises OSError where the disk cannot hold it. Side effects: the file's space is taken at once, for to run out of it
    while writing to a mapped file would end the process.
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
        """Have the rows read ahead while something else is computed. Rows that do not exist are left out."""
        first = first_row * self._bytes_of_a_row
        first -= first % mmap.PAGESIZE
        length = min((first_row + rows) * self._bytes_of_a_row, len(self._map)) - first
        if length > 0:
            self._map.madvise(mmap.MADV_WILLNEED, first, length)


def scratch_folder() -> Path:
    """`TMPDIR`, else /var/tmp where there is one: /tmp is often no disk but memory."""
    lasting = Path("/var/tmp")  # nothing is named there
    return lasting if "TMPDIR" not in os.environ and os.access(lasting, os.W_OK) else Path(tempfile.gettempdir())


def can_hold(size: float) -> bool:
    """Whether a file of so many bytes leaves at least as much free for others."""
    return 2 * size <= shutil.disk_usage(scratch_folder()).free
