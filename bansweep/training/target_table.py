"""A teacher's logits by image and view, computed once for each view that is drawn and not in every step.

An image has few views (162 with a pad of 4), and of each of them a frozen teacher says the same whenever it is asked.
Which view an image shows in an epoch is a function of seed and epoch, so that an epoch's are known as it begins: what
is missing among them is computed in the order in which steps need it, shortly before they do.

The teacher is asked in batches of one size. How many samples are computed together can act on their last bits; which
they are cannot. So a view has the same logits whatever else is kept, however many workers share the images, and
wherever training was resumed.

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
    """How many images the teacher is shown at a time: on a CPU few, which its cache can hold, else enough for a GPU."""
    return 64 if device.type == "cpu" else 512


class TargetTable:
    """The logits of one teacher, which owns the table, for the training images of one data set, under one augmentation.

    It takes 2 bytes for each of `images` x views x `classes`: in the memory of `device` where these are at
    most `memory_bytes`, else in a file that is gone with the process where they are at most `disk_bytes` and half of
    what is free there. Else nothing is kept, and every sample of every epoch is computed for its step alone.

    It may be handed from student to student, whose views add up, but serves one at a time. `computed` counts the
    samples for which the teacher was asked, without those that fill up a last batch.
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
        # Views are numbered as if there were flips: without any, every second number is never drawn.
        self._numbers_per_view = 2 if augmentation is not None and not augmentation.flip else 1
        self._views_per_image = views_per_image(augmentation) // self._numbers_per_view
        self._rows, self._classes = images * self._views_per_image, classes
        self.kept: Kept = "nothing"
        self._logits = self._choose(memory_bytes, disk_bytes)

    @property
    def bytes(self) -> int:
        """What it takes where it is kept, all views of all images."""
        return self._rows * self._classes * self._dtype.itemsize

    def of_epoch(
        self, ask: Callable[[Tensor], Tensor], batches: Sequence[Tensor], views: Views | None
    ) -> Iterator[Tensor]:
        """The teacher's logits (B, C) for each step of an epoch: bfloat16 or float16, without gradient.

        `ask` gives the teacher's logits, in 16 bits, of images at positions in the training set (int64, on the
        device). `views` are those of the epoch, on the CPU; `batches` are the positions, also on the CPU, of this
        worker's samples of each step, none of them twice. What steps need of them is copied to the device once. An
        epoch may be left before its end.
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
                asked = min(done + self._batch_size, len(missing_M))
                logits_MC = self._asked(ask, samples_M[done:asked])
                self._logits.put(missing_rows.slice(done, asked), logits_MC)
                done = asked
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

    def _asked(self, ask: Callable[[Tensor], Tensor], samples_M: Tensor) -> Tensor:
        """The logits (M, C) of at most a batch of samples, computed with as many others as fill the batch."""
        self.computed += len(samples_M)
        filling = -(-self._batch_size // len(samples_M))
        return ask(samples_M.repeat(filling)[: self._batch_size])[: len(samples_M)]
