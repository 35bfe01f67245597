"""Where and how generations run. Of all this only `precision` is part of what a generation is, and so of its id.

The rest changes the last bits of sums at most (`workers`, `cpus_per_worker`), with one exception: in networks with
dropout each worker draws masks for its share of the batch, so that another number of workers draws other masks.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bansweep.spec.model import SpecModel

Precision = Literal["fp32", "bf16"]


class Resources(SpecModel):
    """What one generation takes of the cluster.

    `workers`: 0 trains in the trial's own process, N in a group of N Ray Train workers that share the batch; by
    default 1 where the cluster has GPUs and 0 where it has none. `concurrency`: generations at a time; by default as
    many as fit. `teacher_memory_gb`, `teacher_disk_gb`: memory on each worker's device, and disk of its host while
    it trains, for what a language model's teacher says of the training text; what does not fit is computed anew.
    """

    workers: int | None = Field(default=None, ge=0, le=4096)
    gpus_per_worker: float | None = Field(default=None, ge=0, le=64)
    cpus_per_worker: int = Field(default=1, ge=1, le=1024)
    concurrency: int | None = Field(default=None, ge=1, le=10_000)
    precision: Precision = "fp32"
    teacher_memory_gb: float = Field(default=6.0, ge=0, le=10_000)
    teacher_disk_gb: float = Field(default=20.0, ge=0, le=10_000)
    compile: bool | None = Field(default=None, description="torch.compile; by default on GPUs only")
