"""A search for hyperparameters within a generation: what is varied, how candidates are drawn, which are given up."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from bansweep.spec.distributions import Choice, Distribution, Grid
from bansweep.spec.model import SpecModel

Sampler = Literal["grid", "random", "tpe"]


class Asha(SpecModel):
    """Asynchronous successive halving (Li et al., 2020).

    After `grace`, `grace` * `reduction`, `grace` * `reduction`^2, ... epochs a candidate goes on if it is among the
    best 1 / `reduction` of those that were there before it.
    """

    kind: Literal["asha"] = "asha"
    grace: int = Field(default=1, ge=1)
    reduction: int = Field(default=3, ge=2)


class Median(SpecModel):
    """The median stopping rule (Golovin et al., 2017).

    From epoch `grace` on a candidate goes on while its best epoch is no worse than the median, over at least `startup`
    candidates before it, of their means up to the same epoch.
    """

    kind: Literal["median"] = "median"
    grace: int = Field(default=1, ge=1)
    startup: int = Field(default=3, ge=1)


AnyPruner = Asha | Median


def _pruner_from_shorthand(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


Pruner = Annotated[Annotated[AnyPruner, Field(discriminator="kind")], BeforeValidator(_pruner_from_shorthand)]


class Search(SpecModel):
    """`parameters` maps keys such as `recipe.learning_rate`, `loss.temperature`, `network.dropout` to distributions.

    `sampler` is `grid` where all parameters are grids, else `random`, unless said otherwise. `tpe` draws each candidate
    knowing the results of all before it but the last `parallel` - 1. `keep`: whose weights stay once the search is
    over; it is no part of what is learnt.
    """

    parameters: Mapping[str, Distribution] = Field(min_length=1)
    sampler: Sampler | None = None
    candidates: int | None = Field(default=None, ge=1, le=100_000)
    pruner: Pruner | None = None
    parallel: int = Field(default=4, ge=1, le=10_000)
    keep: Literal["winner", "all"] = "winner"

    @model_validator(mode="after")
    def _says_how_many(self) -> Self:
        grids = [key for key, distribution in self.parameters.items() if isinstance(distribution, Grid)]
        if self.sampling == "grid":
            for key, distribution in self.parameters.items():
                if not isinstance(distribution, Grid | Choice):
                    raise ValueError(f"a grid needs lists of values: {key} is {distribution.kind}; use sampler: random")
            if self.candidates is not None and self.candidates != self.grid_size:
                raise ValueError(f"the grid has {self.grid_size} points: remove 'candidates: {self.candidates}'")
        elif grids:
            raise ValueError(f"{grids[0]} is a grid: use choice, or sampler: grid (with lists for all parameters)")
        elif self.candidates is None:
            raise ValueError("'candidates' is missing: say how many are to be tried, such as candidates: 8")
        return self

    @property
    def sampling(self) -> Sampler:
        """The sampler that is meant."""
        if self.sampler is not None:
            return self.sampler
        return "grid" if all(isinstance(one, Grid) for one in self.parameters.values()) else "random"

    @property
    def grid_size(self) -> int:
        """How many points a grid has."""
        return prod(len(one.values) for one in self.parameters.values() if isinstance(one, Grid | Choice))

    @property
    def size(self) -> int:
        """How many candidates are tried at most."""
        return self.grid_size if self.candidates is None else self.candidates
