"""A search for hyperparameters within a generation: what is varied, how candidates are drawn, which are given up."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidationInfo, field_validator

from bansweep.config.base import SpecModel, kind_from_name
from bansweep.config.hyperparameters import AnyDistribution, Choice, Distribution, Grid

Sampler = Literal["grid", "random", "tpe"]

_MOST_CANDIDATES = 100_000
_EPOCHS = "recipe.epochs"


class Asha(SpecModel):
    """Asynchronous successive halving (Li et al., 2020).

    After `grace`, `grace` * `reduction`, `grace` * `reduction`^2, ... epochs a candidate continues if it is no worse
    than the quantile 1 / `reduction` of the candidates before it.
    """

    kind: Literal["asha"] = "asha"
    grace: int = Field(default=1, ge=1, description="epochs before the first comparison")
    reduction: int = Field(default=3, ge=2, description="one in so many goes on, and so many times as long")


class Median(SpecModel):
    """The median stopping rule (Golovin et al., 2017).

    From epoch `grace` on a candidate continues while its best epoch is no worse than the median, over at least
    `startup` candidates before it, of their means up to the same epoch.
    """

    kind: Literal["median"] = "median"
    grace: int = Field(default=1, ge=1, description="epochs before the first comparison")
    startup: int = Field(default=3, ge=1, description="candidates that have to have come as far before")


AnyPruner = Asha | Median
Pruner = Annotated[Annotated[AnyPruner, Field(discriminator="kind")], BeforeValidator(kind_from_name)]


class Search(SpecModel):
    """`parameters` maps keys such as `recipe.learning_rate`, `loss.temperature`, `network.dropout` to distributions.

    `sampler` defaults to `grid` if all parameters are grids, otherwise to `random`. `tpe` draws each candidate from the
    results of all before it except the last `parallel` - 1. `keep`: whose weights stay in the store after the search;
    it is not part of what is learnt.
    """

    parameters: Mapping[str, Distribution] = Field(
        min_length=1, description="distributions by key: `recipe.`, `loss.` or `network.` and a field"
    )
    sampler: Sampler | None = Field(
        default=None,
        validate_default=True,
        description="how candidates are drawn; else `grid` where all parameters are grids, and `random`",
    )
    candidates: int | None = Field(
        default=None,
        ge=1,
        le=_MOST_CANDIDATES,
        validate_default=True,
        description="how many are tried; required but for grids",
    )
    pruner: Pruner | None = Field(default=None, description="gives candidates up early")
    parallel: int = Field(
        default=4,
        ge=1,
        le=10_000,
        description="`tpe` draws each candidate knowing the results of all before it but the last `parallel` - 1",
    )
    keep: Literal["winner", "all"] = Field(
        default="winner", description="whose weights the store keeps; no part of what is learnt"
    )

    @field_validator("parameters")
    @classmethod
    def _do_not_overlap(cls, parameters: Mapping[str, AnyDistribution]) -> Mapping[str, AnyDistribution]:
        for key in parameters:
            whole = next((other for other in parameters if key.startswith(f"{other}.")), None)
            if whole is not None:
                raise ValueError(f"{key} is a part of {whole}, which is searched as a whole; remove one of them")
        return parameters

    @field_validator("sampler")
    @classmethod
    def _fits_its_distributions(cls, sampler: Sampler | None, info: ValidationInfo) -> Sampler | None:
        parameters = info.data.get("parameters", {})
        if _sampling(sampler, parameters) == "grid":
            for key, distribution in parameters.items():
                if not isinstance(distribution, Grid | Choice):
                    raise ValueError(f"a grid needs lists of values: {key} is {distribution.kind}; use sampler: random")
            return sampler
        for key, distribution in parameters.items():
            if isinstance(distribution, Grid):
                raise ValueError(f"{key} is a grid: use choice, or sampler: grid (with lists for all parameters)")
        return sampler

    @field_validator("candidates")
    @classmethod
    def _are_as_many_as_given(cls, candidates: int | None, info: ValidationInfo) -> int | None:
        if not {"parameters", "sampler"} <= info.data.keys():
            return candidates  # the problems of these are reported first
        parameters = info.data["parameters"]
        if _sampling(info.data["sampler"], parameters) != "grid":
            if candidates is None:
                raise ValueError("'candidates' is missing: say how many are to be tried, such as candidates: 8")
            return candidates
        points = _points(parameters)
        if points > _MOST_CANDIDATES:
            raise ValueError(
                f"the grid has {points:,} points, more than {_MOST_CANDIDATES:,}: shorten its lists, or use choice "
                "instead of grid and say how many candidates are to be tried"
            )
        if candidates not in (None, points):
            raise ValueError(f"candidates: {candidates} is not what the grid has, {points}; remove it")
        return candidates

    @field_validator("pruner")
    @classmethod
    def _compares_equal_lengths(cls, pruner: AnyPruner | None, info: ValidationInfo) -> AnyPruner | None:
        if pruner is not None and _EPOCHS in info.data.get("parameters", {}):
            raise ValueError(
                f"{pruner.kind} compares candidates after the same epochs, which says nothing where their lengths, and "
                f"so their schedules, differ: remove the pruner, or {_EPOCHS} from the parameters"
            )
        return pruner

    @property
    def sampling(self) -> Sampler:
        """The sampler that applies: `sampler`, or its default."""
        return _sampling(self.sampler, self.parameters)

    @property
    def size(self) -> int:
        """How many candidates are tried: `candidates`, or every combination of the lists if these are fewer."""
        points = _points(self.parameters)
        if self.candidates is None:
            return points
        lists_only = all(isinstance(one, Grid | Choice) for one in self.parameters.values())
        return min(self.candidates, points) if lists_only else self.candidates


def _sampling(sampler: Sampler | None, parameters: Mapping[str, AnyDistribution]) -> Sampler:
    if sampler is not None:
        return sampler
    return "grid" if all(isinstance(one, Grid) for one in parameters.values()) else "random"


def _points(parameters: Mapping[str, AnyDistribution]) -> int:
    """How many combinations the lists among the parameters have."""
    return prod(len(one.values) for one in parameters.values() if isinstance(one, Grid | Choice))


def _search_or_none(value: Any) -> str:
    return "none" if value == "none" else "a search"


# Discriminated, so that an invalid search is not reported as an invalid `none`, too.
ColumnSearch = Annotated[
    Annotated[Search, Tag("a search")] | Annotated[Literal["none"], Tag("none")], Discriminator(_search_or_none)
]
