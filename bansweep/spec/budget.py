"""How much a sweep may spend."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bansweep.spec.model import SpecModel


class Budget(SpecModel):
    """`gpu_hours`: the time that generations hold GPUs, fractions as such, over all attempts; on CPUs the time of their
    processes. Once it is spent nothing new is started; what runs then may `finish`, or is to `stop` after its epoch.
    """

    gpu_hours: float = Field(
        ge=0,
        le=1e9,
        description="hours that generations may hold GPUs, fractions as such, in all; on CPUs the hours of their "
        "processes",
    )
    at_limit: Literal["finish", "stop"] = Field(
        default="finish",
        description="once they are spent nothing new starts; what runs then may `finish`, or is to `stop` after its "
        "epoch",
    )
