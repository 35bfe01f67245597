"""The sweep file as a whole, with its budget and the metric that selects networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from bansweep.config.base import SpecModel
from bansweep.config.chain import Chain
from bansweep.config.data import DataSpec
from bansweep.config.losses import LossSpec
from bansweep.config.networks import NetworkSpec
from bansweep.config.recipes import AnyRecipe, RecipeSpec
from bansweep.config.resources import Resources
from bansweep.config.search import ColumnSearch, Search

SelectionMetric = Literal["validation_error", "validation_perplexity", "validation_loss"]

# Section 4.1: "sharing the first and last layers between student and teacher"; table 5 has them frozen.
SharedLayers = Literal["none", "frozen", "trained"]

# Names become file names, tags and table headings: no separators, no control characters, no leading dot.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+*_-]*$", max_length=80)]

_ROW_KEYS = ("name", "network", "recipe")


class Budget(SpecModel):
    """`gpu_hours`: the time that generations hold GPUs, fractions as such, over all attempts; on CPUs the time of their
    processes. Once it is spent nothing new starts; running generations may `finish`, or must `stop` after their epoch.
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


def _not_on_test_data(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("test"):
        raise ValueError(
            f"{value!r} is measured on test data: what is chosen by it has seen the test, and its figure there says "
            "nothing any more; choose by a validation metric"
        )
    return value


class Select(SpecModel):
    """`metric`: lower is better; None is the error of images or the perplexity of texts, on the validation split.

    `epoch`: which epoch's weights a generation is, the `last` one's or the `best` one's by the metric.
    """

    metric: Annotated[SelectionMetric | None, BeforeValidator(_not_on_test_data)] = Field(
        default=None,
        description="on validation data, lower is better; else the error of images, the perplexity of texts",
    )
    epoch: Literal["last", "best"] = Field(
        default="last", description="whose weights a generation is: the last epoch's, or the best one's by the metric"
    )


def metric_for(select: Select, *, text: bool) -> SelectionMetric:
    """The metric that applies: `select.metric`, or its default."""
    return select.metric or ("validation_perplexity" if text else "validation_error")


class Row(SpecModel):
    """A row of the table: a network, under the name that the file gives it, and its recipe if it has its own."""

    name: Name = Field(description="the row's, in the table")
    network: NetworkSpec = Field(description="a name, or a network in full")
    recipe: RecipeSpec | None = Field(default=None, description="in place of the sweep's")


class Column(SpecModel):
    """A column of the table: how its generation learns, and the column that teaches it.

    `shared_layers`: whether the student's first convolution and last (linear) layer are copied from its teacher, and
    then stay so (`frozen`) or are trained further (`trained`). `search` replaces the sweep's; `none` is none.
    """

    loss: LossSpec = Field(description="by what it learns")
    teacher: str | None = Field(
        default=None, description="the column that teaches; required unless the loss is `labels`"
    )
    seed: int = Field(default=0, ge=0, le=2**31, description="distinguishes columns that are otherwise equal")
    network: NetworkSpec | None = Field(default=None, description="a student that differs from its row's network")
    shared_layers: SharedLayers = Field(
        default="none",
        description="the student's first convolution and last layer are its teacher's, and stay so (`frozen`) or start "
        "there (`trained`)",
    )
    search: ColumnSearch | None = Field(default=None, description="in place of the sweep's; `none` is none")
    skip: tuple[str, ...] = Field(default=(), description="rows in which this column is left out")

    def network_in(self, row: Row) -> NetworkSpec:
        """The network of this column's generation in a row."""
        return row.network if self.network is None else self.network


def _at_least_one(members: tuple[str, ...]) -> tuple[str, ...]:
    if not members:
        raise ValueError("an ensemble needs at least one member")
    return members


Members = Annotated[tuple[str, ...], AfterValidator(_at_least_one)]


class Ensemble(SpecModel):
    """A column whose prediction is the mean of its members' probabilities; rows may have members of their own."""

    members: Members = Field(description="columns whose probabilities are averaged, each once")
    by_row: Mapping[str, Members] = Field(default_factory=dict, description="other members in a row, by the row's name")

    def members_in(self, row: str) -> tuple[str, ...]:
        return self.by_row.get(row, self.members)


class _Unnamed(SpecModel):
    network: NetworkSpec


def named_row(value: Any) -> Any:
    """`wrn-28-1`, a network in full that may carry a `name` and a `recipe`, or a row with its `network`."""
    if isinstance(value, str):
        return {"name": value, "network": value}
    if not isinstance(value, dict):
        return value
    row = value
    if "network" not in value:
        row = {key: value[key] for key in _ROW_KEYS if key in value}
        row["network"] = {key: part for key, part in value.items() if key not in _ROW_KEYS}
    if row.get("name") is None:
        named = _Unnamed.model_validate({"network": row["network"]})
        row = {**row, "name": named.network.name, "network": named.network}
    return row


def _ensemble_from_shorthand(value: Any) -> Any:
    """A list of members, or `{members: [...], ROW: [...]}`."""
    if isinstance(value, Ensemble):
        return value
    if not isinstance(value, dict):
        return {"members": value}
    if "by_row" in value:
        return value
    by_row = dict(value)
    shared = {"members": by_row.pop("members")} if "members" in by_row else {}
    return {**shared, "by_row": by_row}


def _one_or_several(value: Any) -> Any:
    """One, or a list of them."""
    return value if isinstance(value, list | tuple) else [value]


class SweepSpec(SpecModel):
    """Everything that a sweep file says. `consistency` checks the references between its parts.

    The columns that a `chain` stands for are among `generations` and `ensembles` (`with_chains`).
    """

    name: Name = Field(
        description="letters, digits and `. + * _ -`, beginning with a letter or digit; so for rows and columns"
    )
    data: DataSpec = Field(description="what is learnt from")
    recipe: RecipeSpec = Field(description="how generations are optimised")
    networks: tuple[Annotated[Row, BeforeValidator(named_row)], ...] = Field(min_length=1, description="the rows")
    seeds: tuple[Annotated[int, Field(ge=0, le=2**31)], ...] = Field(
        default=(0,), min_length=1, description="a replica of everything for each: cells then show mean and spread"
    )
    generations: Mapping[Name, Column] = Field(
        min_length=1, description="the columns by their names; a `chain` has its own"
    )
    ensembles: Mapping[Name, Annotated[Ensemble, BeforeValidator(_ensemble_from_shorthand)]] = Field(
        default_factory=dict, description="columns that average others, by their names"
    )
    chain: Annotated[tuple[Chain, ...], BeforeValidator(_one_or_several)] = Field(
        default=(), description="columns that teach each other in turn, written once"
    )
    search: Search | None = Field(default=None, description="a search for hyperparameters within every generation")
    select: Select = Field(default=Select(), description="by what is chosen, and which epoch's weights count")
    budget: Budget | None = Field(default=None, description="how long the sweep may hold GPUs")
    paper: str | None = Field(
        default=None,
        description="`table1` to `table6`: print the paper's figure, and the difference from it, beside each cell",
    )
    diagnostics: bool = Field(default=False, description="measure section 3.2's gradient in every epoch")
    resources: Resources = Field(default=Resources(), description="where and how generations run")

    def recipe_in(self, row: Row) -> AnyRecipe:
        """The recipe of a row's generations."""
        return self.recipe if row.recipe is None else row.recipe

    def searches(self) -> Iterator[tuple[tuple[str, ...], Search]]:
        """Every search that the file has, with its key path: the sweep's own, and those of columns."""
        if self.search is not None:
            yield ("search",), self.search
        for name, column in self.generations.items():
            if isinstance(column.search, Search):
                yield ("generations", name, "search"), column.search

    def search_in(self, column: Column) -> Search | None:
        """The search within a column's generations, if there is one."""
        if column.search == "none":
            return None
        return self.search if column.search is None else column.search
