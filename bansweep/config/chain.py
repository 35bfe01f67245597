"""Chains of generations: what a sweep file may say, and the columns that a chain expands to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import Field, StringConstraints, field_validator

from bansweep.config.base import SpecModel
from bansweep.config.losses import LossSpec
from bansweep.config.networks import NetworkSpec
from bansweep.errors import Finding, KeyPath

_SHARED_KEYS = ("loss", "network", "seed")  # of a chain, and of each of its columns


class Stop(SpecModel):
    """A chain ends after `patience` generations in a row that do not improve on the best one before them by more than
    `min_delta`, in the unit of the selection metric."""

    patience: int = Field(default=1, ge=1, description="generations in a row that are not better before the chain ends")
    min_delta: float = Field(
        default=0.0,
        ge=0,
        description="by how much a generation has to be better than the best before it, in the unit of `select.metric`",
    )


class Chain(SpecModel):
    """Columns `NAME-1` to `NAME-LENGTH`. `teacher` teaches the first one, and each column teaches the next.

    `ensemble`: a column `NAME-ens` with the mean of all columns that were trained.
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
        if loss.teacher == "none":
            raise ValueError(f"a chain learns from its teacher, and {loss.kind!r} does not; use kd or kd+labels")
        return loss

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(f"{self.name}-{number}" for number in range(1, self.length + 1))

    @property
    def ensemble_column(self) -> str | None:
        return f"{self.name}-ens" if self.ensemble and self.length > 1 else None


def with_chains(sweep: dict[str, Any]) -> dict[str, Any]:
    """A sweep file's plain values with the columns that its chains stand for.

    A chain that begins with `teacher` adds a column of this name that learns from labels, if the file has none.
    An invalid chain adds nothing else: validation reports its problems.
    """
    chains = [(chain, written) for _, chain, written in _valid_chains(sweep)]
    given = sweep.get("generations")
    if not _written_chains(sweep) or not (given is None or isinstance(given, dict)):
        return sweep
    columns: dict[str, Any] = dict(given or {})
    begins_with_teacher = any(chain.teacher == "teacher" for chain, _ in chains) or not (columns or chains)
    if "teacher" not in columns and begins_with_teacher:
        columns = {"teacher": {"loss": "labels"}, **columns}
    ensembles = sweep.get("ensembles")
    ensembles = dict(ensembles) if isinstance(ensembles, dict) else ensembles
    for chain, plain in chains:
        shared = {key: plain[key] for key in _SHARED_KEYS if key in plain}
        skipped = _skipped_by(given, chain.teacher)  # reported for the chain, not for its columns
        if skipped:
            shared["skip"] = skipped
        teacher = chain.teacher
        for name in chain.columns:
            columns.setdefault(name, {**shared, "teacher": teacher})
            teacher = name
        if chain.ensemble_column is not None and not skipped and (ensembles is None or isinstance(ensembles, dict)):
            ensembles = {**(ensembles or {})}
            ensembles.setdefault(chain.ensemble_column, list(chain.columns))
    changed = {**sweep, "generations": columns}
    return changed if ensembles is None else {**changed, "ensembles": ensembles}


def chain_problems(sweep: dict[str, Any]) -> Iterator[Finding]:
    """Yield (key path, message) where the names of a chain's columns are taken, or its teacher skips a row.

    Validation reports the problems of each chain in itself.
    """
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
        skipped = _skipped_by(sweep.get("generations"), chain.teacher)
        if skipped:
            rows = ", ".join(map(str, skipped))
            yield (
                (*path, "teacher"),
                f"{chain.teacher!r} skips {rows}, and a chain is in all rows; write its columns out, each with "
                f"skip: [{rows}]",
            )


def chains_are_valid(sweep: dict[str, Any]) -> bool:
    """Whether every chain is valid. Only then are all columns known, and references to unknown ones can be reported."""
    return len(list(_valid_chains(sweep))) == len(_written_chains(sweep))


def attributed_to_chains(found: Sequence[Finding], sweep: dict[str, Any]) -> list[Finding]:
    """The findings, each once. Those about columns of a chain become findings about the chain, which the file has."""
    chains = [(path, chain) for path, chain, _ in _valid_chains(sweep)]
    chain_of = {name: path for path, chain in chains for name in chain.columns}
    ensembles = {chain.ensemble_column: path for path, chain in chains}
    columns = sweep.get("generations")
    attributed: list[Finding] = []
    for path, message in found:
        match path:
            case ("generations", str(name), *rest) if name in chain_of and name not in (columns or {}):
                path = (*chain_of[name], *rest)
            case ("ensembles", str(name), *_) if name in ensembles and name not in (sweep.get("ensembles") or {}):
                path = ensembles[name]
            case ("chain", 0, *rest) if not isinstance(sweep.get("chain"), list):
                path = ("chain", *rest)
        attributed.append((path, message))
    return list(dict.fromkeys(attributed))


def _written_chains(sweep: dict[str, Any]) -> list[tuple[KeyPath, Any]]:
    written = sweep.get("chain")
    if isinstance(written, list):
        return [(("chain", index), one) for index, one in enumerate(written)]
    return [] if written is None else [(("chain",), written)]


def _valid_chains(sweep: dict[str, Any]) -> Iterator[tuple[KeyPath, Chain, dict[str, Any]]]:
    for path, written in _written_chains(sweep):
        try:
            yield path, Chain.model_validate(written), written
        except ValueError:  # pydantic's ValidationError is one
            continue


def _skipped_by(columns: Any, name: str) -> list[Any]:
    column = columns.get(name) if isinstance(columns, dict) else None
    skipped = column.get("skip") if isinstance(column, dict) else None
    return skipped if isinstance(skipped, list) else []
