"""Chains of generations, written once: columns that each teach the next, until they stop improving."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from bansweep.spec.document import KeyPath
from bansweep.spec.losses import LossSpec
from bansweep.spec.model import SpecModel
from bansweep.spec.networks import NetworkSpec


class Stop(SpecModel):
    """A chain ends after `patience` generations in a row that are not better by more than `min_delta`, in the unit of
    the metric by which is selected, than the best one before them."""

    patience: int = Field(default=1, ge=1)
    min_delta: float = Field(default=0.0, ge=0)


class Chain(SpecModel):
    """Columns `NAME-1` to `NAME-LENGTH`, of which `teacher` teaches the first one and each the next.

    `ensemble`: a column `NAME-ens` with the mean of all of them that were trained.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+_-]*$", max_length=60)] = "ban"
    teacher: str = "teacher"
    length: int = Field(ge=1, le=1000)
    loss: LossSpec
    network: NetworkSpec | None = None
    seed: int = Field(default=0, ge=0, le=2**31)
    stop: Stop | None = None
    ensemble: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(f"{self.name}-{number}" for number in range(1, self.length + 1))

    @property
    def ensemble_column(self) -> str | None:
        return f"{self.name}-ens" if self.ensemble and self.length > 1 else None


def chain_problems(sweep: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Yield (key path, message) where a chain's columns have names that are taken."""
    taken: dict[str, str] = {}
    for key in ("generations", "ensembles"):
        names = sweep.get(key)
        taken |= dict.fromkeys(names if isinstance(names, dict) else (), key)
    for path, chain, _ in _valid_chains(sweep):
        columns = (*chain.columns, *filter(None, [chain.ensemble_column]))
        for name in columns:
            if name in taken:
                yield path, f"its column {name!r} is there already, in {taken[name]}; give the chain another 'name'"
                break
        taken |= dict.fromkeys(columns, "another chain")


def _valid_chains(sweep: dict[str, Any]) -> Iterator[tuple[KeyPath, Chain, dict[str, Any]]]:
    written = sweep.get("chain")
    several = isinstance(written, list)
    for index, one in enumerate(written if isinstance(written, list) else [written]):
        try:
            yield ("chain", index) if several else ("chain",), Chain.model_validate(one), one
        except ValueError:  # pydantic's ValidationError is one
            continue


_OF_A_COLUMN = ("loss", "network", "seed")


def with_chains(sweep: dict[str, Any]) -> dict[str, Any]:
    """A sweep file's plain values with the columns that its chains stand for.

    Chains that are wrong in themselves are left alone: validation says what is wrong with them. A chain that begins
    with `teacher` brings a column that learns from labels where the file has none of this name.
    """
    chains = [(chain, written) for _, chain, written in _valid_chains(sweep)]
    given = sweep.get("generations")
    if not chains or not (given is None or isinstance(given, dict)):
        return sweep
    columns: dict[str, Any] = dict(given or {})
    if "teacher" not in columns and any(chain.teacher == "teacher" for chain, _ in chains):
        columns = {"teacher": {"loss": "labels"}, **columns}
    ensembles = sweep.get("ensembles")
    ensembles = dict(ensembles) if isinstance(ensembles, dict) else ensembles
    for chain, plain in chains:
        shared = {key: plain[key] for key in _OF_A_COLUMN if key in plain}
        teacher = chain.teacher
        for name in chain.columns:
            columns.setdefault(name, {**shared, "teacher": teacher})
            teacher = name
        if chain.ensemble_column is not None and (ensembles is None or isinstance(ensembles, dict)):
            ensembles = {**(ensembles or {})}
            ensembles.setdefault(chain.ensemble_column, list(chain.columns))
    changed = {**sweep, "generations": columns}
    return changed if ensembles is None else {**changed, "ensembles": ensembles}
