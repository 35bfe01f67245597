"""The job of training one generation, as the driver sends it to a trial. Needs no torch."""

from __future__ import annotations

from bansweep.config.base import SpecModel
from bansweep.config.data import DataSpec
from bansweep.config.resources import RetryPolicy
from bansweep.graph.generation import Generation


class GenerationJob(SpecModel):
    """Everything that a process anywhere in the cluster needs to train one generation, or one candidate of it.

    It is published in the store at `store`; its teacher is in the one at `teachers`, if that is another. A candidate
    is superseded once the generation that it `decides` is published there. Without `may_compile` it trains uncompiled
    even if it began compiled.
    """

    generation: Generation
    label: str
    data: DataSpec
    store: str
    teachers: str | None = None
    decides: str | None = None
    compiled: bool = False
    may_compile: bool = True
    recompute: bool = False
    diagnostics: bool = False
    teacher_memory_gb: float = 0.0
    teacher_disk_gb: float = 0.0
    retries: RetryPolicy = RetryPolicy()
