"""Where and how generations run. Of all this only `precision` is part of what a generation is, and so of its id.

The rest changes at most the last bits of sums (`workers`, `cpus_per_worker`, `compile`), with one exception: in
networks with dropout each worker draws masks for its share of the batch, so the masks depend on the number of workers.
Compiled and uncompiled training differ in the last bits; each is reproducible. A generation that resumes is therefore
compiled if it began so, unless `compile` is false.
"""

from __future__ import annotations

from math import ceil
from typing import Literal, Self

from pydantic import Field, model_validator

from bansweep.config.base import SpecModel
from bansweep.formatting import setting_text

Precision = Literal["fp32", "bf16"]

_MOST_WORKERS = 4096


class RetryPolicy(SpecModel):
    """How often a training that is lost starts again. Every restart resumes from the last saved epoch.

    If a worker dies, Ray Train restarts the group, up to `worker_restarts` times. If Ray Train's controller dies, the
    trial starts another group, up to `controller_restarts` times in a row. A group that saved an epoch before it was
    lost is always followed by another. If the trial's process dies, Ray Tune restarts it, up to `trial_restarts` times
    in all; the trial fails after `attempts_per_epoch` starts that saved no epoch. If another process is training the
    generation, the trial waits up to `lease_wait_s` seconds, then frees its slot. If another sweep has removed a
    finished candidate, the driver trains it again, up to `lost_results` times. Errors that every attempt would meet,
    such as a loss that is not finite, are not retried.
    """

    attempts_per_epoch: int = Field(
        default=3, ge=1, le=1000, description="starts of a trial that may save no epoch before the trial fails"
    )
    trial_restarts: int = Field(
        default=100,
        ge=1,  # a process whose GPU has failed ends itself when the next trial begins, and that trial restarts
        le=100_000,
        description="restarts of a trial whose process died, in all",
    )
    worker_restarts: int = Field(default=2, ge=0, le=1000, description="restarts of a worker group that lost a worker")
    controller_restarts: int = Field(
        default=1, ge=0, le=1000, description="new groups in a row whose controllers died and that saved no epoch"
    )
    lost_results: int = Field(
        default=3, ge=0, le=1000, description="repeats of a candidate whose result another sweep has removed"
    )
    lease_wait_s: float = Field(
        default=60.0,
        ge=0,
        le=86_400,
        description="seconds that a trial waits for another process that trains its generation; a dead one is noticed "
        "after 30",
    )


class Resources(SpecModel):
    """What one generation takes of the cluster.

    `workers`: 0 trains in the trial's own process, N in a group of N Ray Train workers that share the batch; by
    default 1 where the cluster has GPUs and 0 where it has none. `concurrency`: generations at a time; by default as
    many as fit. `teacher_memory_gb`, `teacher_disk_gb`: memory on each worker's device, and disk of its host while
    it trains, for a teacher's outputs on the training data; what does not fit is computed again. `recompute`: the
    activations of each unit of an image network are computed again in the backward pass instead of stored, which takes
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
    retries: RetryPolicy = Field(
        default=RetryPolicy(), description="how often a training that is lost starts again; no part of any id"
    )

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
