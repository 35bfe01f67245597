"""Where and how generations run. Of all this only `precision` is part of what a generation is, and so of its id.

The rest changes the last bits of sums at most (`workers`, `cpus_per_worker`, `compile`), with one exception: in
networks with dropout each worker draws masks for its share of the batch, so that another number of workers draws
other masks. Compiled and uncompiled training differ in last bits; each gives equal bits every time. A generation that
resumes is therefore compiled if it began so, unless `compile` is false.
"""

from __future__ import annotations

from math import ceil
from typing import Literal, Self

from pydantic import Field, model_validator

from bansweep.config.base import SpecModel
from bansweep.formatting import setting_text

Precision = Literal["fp32", "bf16"]

_MOST_WORKERS = 4096


class Resources(SpecModel):
    """What one generation takes of the cluster.

    `workers`: 0 trains in the trial's own process, N in a group of N Ray Train workers that share the batch; by
    default 1 where the cluster has GPUs and 0 where it has none. `concurrency`: generations at a time; by default as
    many as fit. `teacher_memory_gb`, `teacher_disk_gb`: memory on each worker's device, and disk of its host while
    it trains, for what a teacher says of the training data; what does not fit is computed anew. `recompute`: the
    activations of each unit of an image network are computed again in the backward pass rather than kept, which takes
    less memory and about a third more arithmetic; such networks are not compiled.
    """

    workers: int | None = Field(
        default=None,
        ge=0,
        le=_MOST_WORKERS,
        description="0: in the trial's own process; N: a group of N Ray Train workers that share the batch; else 1 "
        "where there are GPUs and 0 where there are none",
    )
    gpus_per_worker: float | None = Field(
        default=None,
        ge=0,
        description="0, 1, or a fraction, with which small networks share one GPU; 1 by default where there are GPUs",
    )
    cpus_per_worker: int = Field(default=1, ge=1, le=1024, description="also the threads that a worker computes with")
    concurrency: int | None = Field(
        default=None, ge=1, le=10_000, description="generations at a time; else as many as fit"
    )
    precision: Precision = Field(
        default="fp32", description="of the forward and backward pass; the only key here that is part of what is learnt"
    )
    teacher_memory_gb: float = Field(
        default=6.0,
        ge=0,
        le=10_000,
        description="memory on each worker's device for what a teacher says of the training data",
    )
    teacher_disk_gb: float = Field(
        default=20.0, ge=0, le=10_000, description="the same on the disk of its host, where memory is short"
    )
    compile: bool | None = Field(default=None, description="torch.compile; by default on GPUs only")
    recompute: bool = Field(default=False, description="activations again in the backward pass rather than kept")

    @model_validator(mode="after")
    def _can_share_gpus(self) -> Self:
        gpus = self.gpus_per_worker
        if gpus is None or gpus == 0:
            return self
        share = setting_text(gpus)
        if gpus > 1:
            workers = min(_MOST_WORKERS, ceil(gpus) * max(1, self.workers or 0))
            raise ValueError(
                f"gpus_per_worker: {share} is more than the one GPU that a worker can use; for several GPUs write "
                f"workers: {workers} with gpus_per_worker: 1"
            )
        if gpus < 1 and (self.workers or 1) > 1:
            raise ValueError(
                f"gpus_per_worker: {share} GPU with workers: {self.workers} could put two workers that talk to each "
                "other on one GPU, which NCCL refuses; use whole GPUs, or one worker"
            )
        return self

    @model_validator(mode="after")
    def _compiles_or_recomputes(self) -> Self:
        if self.compile and self.recompute:
            raise ValueError(
                "compile: true and recompute: true exclude each other: what is compiled chooses by itself which "
                "activations it keeps; remove one of them"
            )
        return self
