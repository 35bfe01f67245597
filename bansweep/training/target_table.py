"""A teacher's logits by image and view, computed once for each view that is drawn and not in every step.

An image has few views (162 with a pad of 4), and of each of them a frozen teacher says the same whenever it is asked.
Which view an image shows in an epoch is a function of seed and epoch, so that an epoch's are known as it begins: what
is missing among them is computed in the order in which steps need it, shortly before they do.

The teacher is asked in batches of one size. How many samples are computed together can act on their last bits; which
they are cannot. So a view has the same logits whatever else is kept, however many workers share the images, and
wherever training was resumed.

Shape suffixes: R rows of the table (image, view), E samples of an epoch in the order in which this worker sees them,
M the missing ones, B those of a step, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from bansweep.data.augmentation import Views, views_per_image
from bansweep.data.resident import ResidentImages
from bansweep.losses.builder import needs_stage_outputs
from bansweep.spec.losses import LossSpec, needs_teacher
from bansweep.spec.recipes import Augmentation
from bansweep.training.rounded_logits import dtype_of_logits, in_16_bits
from bansweep.training.scratch_tensor import ScratchTensor, can_hold
from bansweep.training.teacher import FrozenTeacher

Kept = Literal["in memory", "on disk", "nothing"]


def learns_from_logits(loss: LossSpec) -> bool:
    """Whether logits are all that the loss asks of a teacher. Stage outputs are too large to be kept."""
    return needs_teacher(loss) and not needs_stage_outputs(loss)


def batch_size(device: torch.device) -> int:
    """How many images the teacher is shown at a time: on a CPU few, which its cache can hold, else enough for a GPU."""
    return 64 if device.type == "cpu" else 512


class TargetTable:
    """The logits of one frozen teacher for the training images of one data set, under one augmentation.

    It takes 2 bytes for each of `images` x views x `classes`: in the memory of the teacher's device where these are at
    most `memory_bytes`, else in a file that is gone with the process where they are at most `disk_bytes` and half of
    what is free there. Else nothing is kept, and every sample of every epoch is computed for its step alone.

    It may be handed from student to student, whose views add up, but serves one at a time. `computed` counts the
    samples for which the teacher was asked, without those that fill up a last batch.
    """

    def __init__(
        self,
        teacher: FrozenTeacher,
        augmentation: Augmentation | None,
        *,
        images: int,
        classes: int,
        bf16: bool,
        memory_bytes: float = 0,
        disk_bytes: float = 0,
    ) -> None:
        self.teacher = teacher
        self.computed = 0
        self._bf16 = bf16
        self._device = next(teacher.network.parameters()).device
        self._batch_size = batch_size(self._device)
        # Views are numbered as if there were flips: without any, every second number is never drawn.
        self._numbers_per_view = 2 if augmentation is not None and not augmentation.flip else 1
        self._views_per_image = views_per_image(augmentation) // self._numbers_per_view
        self._rows, self._classes = images * self._views_per_image, classes
        self.kept: Kept = "nothing"
        self._logits: _KeptLogits | _PassingLogits = self._choose(memory_bytes, disk_bytes)

    @property
    def bytes(self) -> int:
        """What it takes where it is kept, all views of all images."""
        return self._rows * self._classes * self._dtype.itemsize

    def of_epoch(self, images: ResidentImages, batches: Sequence[Tensor], views: Views | None) -> Iterator[Tensor]:
        """The teacher's logits (B, C) for each step of an epoch: bfloat16 or float16, without gradient.

        `images` are the training set and `views` those of the epoch; `batches` are the positions in the set, on the
        CPU, of this worker's samples of each step, none of them twice. An epoch may be left before its end.
        """
        samples_E = torch.cat(list(batches))
        rows_E = self._rows_of(samples_E, views)
        missing_M = self._logits.missing(rows_E)
        done, end = 0, 0
        for batch_B in batches:
            start, end = end, end + len(batch_B)
            while done < len(missing_M) and missing_M[done] < end:
                chosen = missing_M[done : done + self._batch_size]
                self._logits.put(rows_E[chosen], self._asked(images, samples_E[chosen], views))
                done += len(chosen)
            self._logits.will_need(rows_E[end : end + len(batch_B)])
            yield self._logits.take(rows_E[start:end]).to(self._device)

    @property
    def _dtype(self) -> torch.dtype:
        return dtype_of_logits(bf16=self._bf16)

    def _choose(self, memory_bytes: float, disk_bytes: float) -> _KeptLogits | _PassingLogits:
        if self.bytes <= memory_bytes:
            self.kept = "in memory"
            return _KeptLogits(torch.empty(self._rows, self._classes, dtype=self._dtype, device=self._device))
        if self.bytes <= disk_bytes and can_hold(self.bytes):
            try:
                file = ScratchTensor(self._rows, self._classes, self._dtype)
            except OSError:
                pass  # someone else took the space meanwhile
            else:
                self.kept = "on disk"
                return _KeptLogits(file.tensor, file)
        return _PassingLogits(torch.empty(0, self._classes, dtype=self._dtype, device=self._device))

    def _rows_of(self, samples_E: Tensor, views: Views | None) -> Tensor:
        if views is None:
            return samples_E
        return samples_E * self._views_per_image + views.numbers.cpu()[samples_E] // self._numbers_per_view

    def _asked(self, images: ResidentImages, samples_M: Tensor, views: Views | None) -> Tensor:
        """The logits (M, C) of at most a batch of samples, computed with as many others as fill the batch."""
        self.computed += len(samples_M)
        filling = -(-self._batch_size // len(samples_M))
        batch_B = samples_M.repeat(filling)[: self._batch_size]
        pixels_BKHW, _ = images.batch(batch_B.to(self._device), views)
        logits_BC = self.teacher.answer(pixels_BKHW, bf16=self._bf16).logits_BC
        return in_16_bits(logits_BC)[: len(samples_M)]


class LastTable:
    """The table that this process needed last: its next student often has the same teacher.

    Another teacher's table takes its place, and is made only when the memory of the former is free.
    """

    def __init__(self) -> None:
        self._key: Hashable = None
        self._table: TargetTable | None = None

    def get(self, key: Hashable, make: Callable[[], TargetTable]) -> TargetTable:
        """The table of `key`, which names all that its logits depend on."""
        if self._table is None or self._key != key:
            self._table = None
            self._table = make()
            self._key = key
        return self._table

    def clear(self) -> None:
        """Drop the table, for the memory that it takes."""
        self._key = self._table = None


class _KeptLogits:
    """All rows, of which some are filled."""

    def __init__(self, logits_RC: Tensor, file: ScratchTensor | None = None) -> None:
        self._logits_RC = logits_RC
        self._file = file
        # On the CPU, where the rows are known: nobody has to wait for a device.
        self._filled_R = torch.zeros(len(logits_RC), dtype=torch.bool)

    def missing(self, rows_E: Tensor) -> Tensor:
        """The positions in `rows_E` of those that have to be put."""
        return (~self._filled_R[rows_E]).nonzero()[:, 0]

    def put(self, rows_M: Tensor, logits_MC: Tensor) -> None:
        self._logits_RC[rows_M.to(self._logits_RC.device)] = logits_MC.to(self._logits_RC.device)
        self._filled_R[rows_M] = True

    def take(self, rows_B: Tensor) -> Tensor:
        return self._logits_RC.index_select(0, rows_B.to(self._logits_RC.device))

    def will_need(self, rows_B: Tensor) -> None:
        """Have the rows read from the disk while something else is computed."""
        if self._file is not None:
            for row in rows_B.tolist():
                self._file.will_need(row, 1)


class _PassingLogits:
    """What was put and not yet taken, in this order."""

    def __init__(self, none_0C: Tensor) -> None:
        self._waiting_BC = none_0C

    def missing(self, rows_E: Tensor) -> Tensor:
        # What was left by an epoch that nobody finished is of no use.
        self._waiting_BC = self._waiting_BC[:0]
        return torch.arange(len(rows_E))

    def put(self, rows_M: Tensor, logits_MC: Tensor) -> None:
        assert len(rows_M) == len(logits_MC)
        self._waiting_BC = torch.cat([self._waiting_BC, logits_MC])

    def take(self, rows_B: Tensor) -> Tensor:
        taken_BC, self._waiting_BC = self._waiting_BC.tensor_split([len(rows_B)])
        return taken_BC

    def will_need(self, rows_B: Tensor) -> None:
        pass
