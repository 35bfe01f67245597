"""From what a user asks for to the sweep, its plan and its store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bansweep.data.fingerprint import data_identities
from bansweep.errors import DataError
from bansweep.plan.plan import Plan
from bansweep.plan.selection import select
from bansweep.service.planning import planned
from bansweep.spec.document import read_document
from bansweep.spec.reading import read_sweep
from bansweep.spec.rehearsal import rehearsal_overrides
from bansweep.spec.sweep import SweepSpec
from bansweep.store.spending_ledger import SpendingLedger
from bansweep.store.store import Store

# A store of its own inside the store: what a rehearsal trains is never found where results are looked for.
REHEARSALS = "rehearsals"


@dataclass(frozen=True)
class SweepRequest:
    """What is worked on. `location` is the store's, as the user would write it; so are `file`, `overrides`, `only`."""

    spec: SweepSpec
    plan: Plan
    store: Store
    location: str
    rehearsal: bool
    file: Path
    overrides: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    @property
    def asked_location(self) -> str:
        """The store that was named: a rehearsal's own lies inside it."""
        return self.location.removesuffix(f"/{REHEARSALS}") if self.rehearsal else self.location

    @property
    def changes(self) -> list[str]:
        """The options that change the sweep, for a command line: `--set KEY=VALUE` and `--rehearse`."""
        changed = [part for override in self.overrides for part in ("--set", override)]
        return [*changed, "--rehearse"] if self.rehearsal else changed

    @property
    def arguments(self) -> list[str]:
        """What asks for the same on a command line, after `bansweep VERB`."""
        chosen = [part for pattern in self.only for part in ("--only", pattern)]
        return [str(self.file), "--store", self.asked_location, *self.changes, *chosen]


def sweep_request(
    path: Path,
    location: str,
    overrides: Sequence[str] | None,
    only: Sequence[str] | None = None,
    *,
    rehearse: bool = False,
    to_run: bool = False,
) -> SweepRequest:
    """Read, validate and plan a sweep file. Raises RequestError with all that is wrong.

    Side effect: `to_run` may prepare the data set (`planning.planned`).
    """
    changes = tuple(overrides or ())
    sweep = read_sweep(path, changes)
    try:
        data = data_identities(sweep.data)
    except DataError as error:
        line = read_document(path).line_of(("data",))
        raise DataError(f"{path}:{line}: data: {error.cause}", remedy=error.remedy) from None
    if rehearse:
        # After the user's changes, and after the data were found to have what these ask for: to be rehearsed is the
        # sweep as it would run, and its errors are to be in its own figures.
        sweep = read_sweep(path, (*changes, *rehearsal_overrides(sweep, changes)))
        data = data_identities(sweep.data)
        location = f"{location}/{REHEARSALS}"
    chosen = tuple(only or ())
    store = Store(location)
    plan = select(planned(sweep, data, store, to_run=to_run), chosen)
    return SweepRequest(sweep, plan, store, location, rehearse, path, changes, chosen)


def budget_text(request: SweepRequest) -> str:
    """`budget: 2 device hours, of which 0.5 are spent`, of a sweep that has one."""
    assert request.spec.budget is not None
    limit = request.spec.budget.gpu_hours
    return f"budget: {limit:g} device hours, of which {spent_hours(request):.3g} are spent"


def spent_hours(request: SweepRequest) -> float:
    """The device hours that a sweep has spent in its store. Raises StoreError."""
    return sum(SpendingLedger(request.store, request.spec.name).total().values())
