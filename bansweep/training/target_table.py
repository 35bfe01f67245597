"""A teacher's logits by image and view, computed once for each view that is drawn and not in every step.

An image has few views (162 with a pad of 4), and a frozen teacher's logits of a view never change. The views of an
epoch are a function of seed and epoch, so they are known at its start. Missing logits are computed in the order in
which steps need them, shortly before they do.

The teacher computes them in batches of one size. Batch size can change the last bits of a result; batch composition
cannot. So a view has the same logits whatever else is cached, however many workers share the images, and wherever
training was resumed.

Shape suffixes: E samples of an epoch in the order in which this worker sees them, M the missing ones, B those of a
step, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from bansweep.config.recipes import Augmentation
from bansweep.data.augmentation import Views, views_per_image
from bansweep.data.host_to_device import to_device
from bansweep.training.kept_logits import KeptLogits, LogitsOnDevice, LogitsOnDisk, PassingLogits, Rows, can_hold
from bansweep.training.precision import dtype_of_logits

Kept = Literal["in memory", "on disk", "nothing"]


def batch_size(device: torch.device) -> int:
    """Images in a batch for the teacher: on a CPU few enough for its cache, elsewhere enough to fill a GPU."""
    return 64 if device.type == "cpu" else 512


class TargetTable:
    """The logits of one teacher, which owns the table, for the training images of one data set, under one augmentation.

    It takes 2 bytes for each of `images` x views x `classes`: in the memory of `device` if they fit into
    `memory_bytes`; otherwise in a temporary file if they fit into `disk_bytes` and half of the free disk space.
    Otherwise nothing is cached, and each step computes its samples.

    Several students may use it one after another; their views accumulate. `computed` counts the samples that the
    teacher computed, without those that fill up a last batch.
    """

    def __init__(
        self,
        augmentation: Augmentation | None,
        *,
        images: int,
        classes: int,
        bf16: bool,
        device: torch.device,
        memory_bytes: float = 0,
        disk_bytes: float = 0,
    ) -> None:
        self.computed = 0
        self._dtype = dtype_of_logits(bf16=bf16)
        self._device = device
        self._batch_size = batch_size(device)
        # Views are numbered as if there were flips: without flips, every second number is unused.
        self._numbers_per_view = 2 if augmentation is not None and not augmentation.flip else 1
        self._views_per_image = views_per_image(augmentation) // self._numbers_per_view
        self._rows, self._classes = images * self._views_per_image, classes
        self.kept: Kept = "nothing"
        self._logits = self._choose(memory_bytes, disk_bytes)

    @property
    def bytes(self) -> int:
        """The size of the cached logits of all views of all images."""
        return self._rows * self._classes * self._dtype.itemsize

    def of_epoch(
        self, compute: Callable[[Tensor], Tensor], batches: Sequence[Tensor], views: Views | None
    ) -> Iterator[Tensor]:
        """The teacher's logits (B, C) for each step of an epoch: bfloat16 or float16, without gradient.

        `compute` gives the teacher's logits, in 16 bits, of images at positions in the training set (int64, on the
        device). `views` are those of the epoch, on the CPU; `batches` are the positions, also on the CPU, of this
        worker's samples of each step, none of them twice. What steps need of them is copied to the device once. The
        iterator may be dropped before its end.
        """
        samples_E = torch.cat(list(batches))
        rows_E = self._rows_of(samples_E, views)
        missing_M = self._logits.missing(rows_E)
        rows, missing_rows = Rows.of(rows_E, self._device), Rows.of(rows_E[missing_M], self._device)
        samples_M = to_device(samples_E[missing_M], self._device)
        done, end = 0, 0
        for batch_B in batches:
            start, end = end, end + len(batch_B)
            while done < len(missing_M) and missing_M[done] < end:
                stop = min(done + self._batch_size, len(missing_M))
                logits_MC = self._computed_logits(compute, samples_M[done:stop])
                self._logits.put(missing_rows.slice(done, stop), logits_MC)
                done = stop
            self._logits.will_need(rows.slice(end, end + len(batch_B)))
            yield self._logits.take(rows.slice(start, end))

    def _choose(self, memory_bytes: float, disk_bytes: float) -> KeptLogits:
        if self.bytes <= memory_bytes:
            self.kept = "in memory"
            return LogitsOnDevice(self._rows, self._classes, self._dtype, self._device)
        if self.bytes <= disk_bytes and can_hold(self.bytes):
            try:
                on_disk = LogitsOnDisk(self._rows, self._classes, self._dtype, self._device)
            except OSError:
                pass  # another process took the disk space in the meantime
            else:
                self.kept = "on disk"
                return on_disk
        return PassingLogits(self._classes, self._dtype, self._device)

    def _rows_of(self, samples_E: Tensor, views: Views | None) -> Tensor:
        if views is None:
            return samples_E
        return samples_E * self._views_per_image + views.numbers.cpu()[samples_E] // self._numbers_per_view

    def _computed_logits(self, compute: Callable[[Tensor], Tensor], samples_M: Tensor) -> Tensor:
        """The logits (M, C) of at most a batch of samples, computed with as many others as fill the batch."""
        self.computed += len(samples_M)
        filling = -(-self._batch_size // len(samples_M))
        return compute(samples_M.repeat(filling)[: self._batch_size])[: len(samples_M)]
