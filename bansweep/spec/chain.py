"""Chains of generations, written once: columns that each teach the next, until they stop improving."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from bansweep.spec.losses import LossSpec, needs_teacher
from bansweep.spec.model import SpecModel
from bansweep.spec.networks import NetworkSpec


class Stop(SpecModel):
    """A chain ends after `patience` generations in a row that are not better by more than `min_delta`, in the unit of
    the metric by which is selected, than the best one before them."""

    patience: int = Field(default=1, ge=1, description="generations in a row that are not better before the chain ends")
    min_delta: float = Field(
        default=0.0,
        ge=0,
        description="by how much a generation has to be better than the best before it, in the unit of `select.metric`",
    )


class Chain(SpecModel):
    """Columns `NAME-1` to `NAME-LENGTH`, of which `teacher` teaches the first one and each the next.

    `ensemble`: a column `NAME-ens` with the mean of all of them that were trained.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+_-]*$", max_length=60)] = Field(
        default="ban", description="columns are `NAME-1`, `NAME-2`, ..., and `NAME-ens`"
    )
    teacher: str = Field(
        default="teacher",
        description="the column that teaches the first; a `teacher` that is not there is one that learns from `labels`",
    )
    length: int = Field(ge=1, le=1000, description="how many generations, at most")
    loss: LossSpec = Field(description="by what each generation learns: any loss that has a teacher")
    network: NetworkSpec | None = Field(
        default=None, description="of every generation, where it differs from its row's"
    )
    seed: int = Field(default=0, ge=0, le=2**31, description="distinguishes chains that are otherwise equal")
    stop: Stop | None = Field(
        default=None, description="ends the chain, in each row and replica, once it stops improving"
    )
    ensemble: bool = Field(
        default=True,
        description="a column with the mean of all of the chain that were trained, if its length is 2 or more",
    )

    @field_validator("loss")
    @classmethod
    def _learns_from_its_teacher(cls, loss: LossSpec) -> LossSpec:
        if not needs_teacher(loss):
            raise ValueError(f"a chain learns from its teacher, and {loss.kind!r} does not; use kd or kd+labels")
        return loss

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(f"{self.name}-{number}" for number in range(1, self.length + 1))

    @property
    def ensemble_column(self) -> str | None:
        return f"{self.name}-ens" if self.ensemble and self.length > 1 else None
