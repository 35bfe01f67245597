"""From a user's request to the sweep, its plan and its store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bansweep.config.reading import read_sweep
from bansweep.config.rehearsal import rehearsal_overrides
from bansweep.config.sweep import SweepSpec
from bansweep.config.yaml_document import MAX_BYTES, read_document
from bansweep.data.cache import cache_folder
from bansweep.data.fingerprint import data_identities
from bansweep.errors import DataError, StoreError
from bansweep.formatting import duration_text, setting_text
from bansweep.graph.cost import Bf16
from bansweep.graph.expand import as_stored, expand, expansions
from bansweep.graph.generation import DataIdentity
from bansweep.graph.plan import Plan, select
from bansweep.regular_file import read_regular
from bansweep.service.this_machine import bf16_on_this_cpu, trains_on_this_cpu
from bansweep.store.layout import sha256
from bansweep.store.spending_ledger import SpendingLedger
from bansweep.store.store import Store

# A separate store inside the store, so that generations of a rehearsal never count as results.
REHEARSALS = "rehearsals"


@dataclass(frozen=True)
class SweepRequest:
    """A sweep to work on. `location` is the store's as the user wrote it, likewise `file`, `overrides` and `only`.

    `bf16` is how the CPU that trains computes it; "native" is assumed for other machines. `bf16_replaced`:
    the rehearsal computes in fp32 what the sweep computes in bf16.
    """

    spec: SweepSpec
    plan: Plan
    store: Store
    location: str
    rehearsal: bool
    file: Path
    overrides: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    bf16: Bf16 = "native"
    bf16_replaced: bool = False

    @property
    def bf16_message(self) -> str | None:
        """One line on bf16 that is emulated by the CPU that trains, and its effect; None where it is not."""
        if self.bf16_replaced:
            return (
                "bf16 is emulated on this CPU: the rehearsal computes in fp32 (--set resources.precision=bf16 keeps "
                "bf16, many times slower)"
            )
        if self.bf16 == "native" or self.spec.resources.precision != "bf16":
            return None
        slower = "2 to 3 times" if self.bf16 == "avx512" else "at least 5 times"
        return f"bf16 is emulated on this CPU, {slower} slower than fp32"

    @property
    def text(self) -> str:
        """The sweep file's text, unchanged."""
        return read_regular(self.file, MAX_BYTES).decode()

    @property
    def asked_location(self) -> str:
        """The store that the user named: a rehearsal's store lies inside it."""
        return self.location.removesuffix(f"/{REHEARSALS}") if self.rehearsal else self.location

    @property
    def changes(self) -> list[str]:
        """The options that change the sweep, for a command line: `--set KEY=VALUE` and `--rehearse`."""
        changed = [part for override in self.overrides for part in ("--set", override)]
        return [*changed, "--rehearse"] if self.rehearsal else changed

    @property
    def arguments(self) -> list[str]:
        """The arguments of the same request, after `bansweep COMMAND`."""
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
    address: str | None = None,
) -> SweepRequest:
    """Read, validate and plan a sweep file. `address` is that of the Ray cluster that will train, if there is one.

    Raises RequestError with all that is wrong, and StoreError for a plan `to_run` where the store cannot be read.
    """
    changes = tuple(overrides or ())
    sweep = read_sweep(path, changes)
    try:
        data = data_identities(sweep.data)
    except DataError as error:
        line = read_document(path).line_of(("data",))
        raise DataError(f"{path}:{line}: data: {error.cause}", remedy=error.remedy) from None
    chosen = tuple(only or ())
    if not rehearse:
        store = Store(location)
        plan = select(planned(sweep, data, store, to_run=to_run), chosen)
        bf16 = _bf16_of(sweep, address)
        return SweepRequest(sweep, plan, store, location, rehearse, path, changes, chosen, bf16)

    def rehearsal(*, in_fp32: bool) -> SweepRequest:
        # Applied after the user's changes and after the data were checked against them: a rehearsal runs the sweep as
        # it would run, and errors have the sweep's own figures.
        overrides = rehearsal_overrides(sweep, changes, in_fp32=in_fp32)
        spec = read_sweep(path, (*changes, *overrides))
        inside = f"{location}/{REHEARSALS}"
        store = Store(inside)
        plan = select(planned(spec, data_identities(spec.data), store, to_run=to_run), chosen)
        return SweepRequest(spec, plan, store, inside, True, path, changes, chosen, _bf16_of(spec, address))

    in_own_precision = rehearsal(in_fp32=False)
    if in_own_precision.bf16 != "emulated":
        return in_own_precision
    in_fp32 = rehearsal(in_fp32=True)
    if in_fp32.spec == in_own_precision.spec:
        return in_own_precision
    # A rehearsal that an earlier version or a cluster began keeps its precision.
    if _is_begun(in_own_precision) and not _is_begun(in_fp32):
        return in_own_precision
    return replace(in_fp32, bf16_replaced=True)


def planned(sweep: SweepSpec, data: Sequence[DataIdentity], store: Store, *, to_run: bool = False) -> Plan:
    """The plan of a valid sweep. Generations that the store has under former ids keep these.

    `data` are the identities of its data set, from `data_identities`. A plan `to_run` must know what the store holds,
    and raises StoreError where the store cannot be read. Other plans then have normalised ids.
    """
    try:
        return as_stored(expansions(sweep, data), store)
    except StoreError:
        if to_run:
            raise
        return expand(sweep, data[0])


def budget_text(request: SweepRequest) -> str:
    """`budget: 2 device hours, of which 30 min are spent`, of a sweep that has one."""
    assert request.spec.budget is not None
    limit = request.spec.budget.gpu_hours
    return f"budget: {setting_text(limit)} device hours, of which {spent_text(request)} are spent"


def spent_text(request: SweepRequest) -> str:
    """The device time that a sweep has spent in its store. Raises StoreError."""
    return duration_text(spent_hours(request) * 3600)


def spent_hours(request: SweepRequest) -> float:
    """The device hours that a sweep has spent in its store. Raises StoreError."""
    return sum(SpendingLedger(request.store, request.spec.name).total().values())


def local_folder(store: Store) -> Path:
    """The store's folder; for an object store a folder in the cache. It need not exist yet."""
    return store.directory or cache_folder() / "stores" / sha256(store.location.encode())[:16]


def _bf16_of(sweep: SweepSpec, address: str | None) -> Bf16:
    return bf16_on_this_cpu() if trains_on_this_cpu(sweep.resources, address) else "native"


def _is_begun(request: SweepRequest) -> bool:
    """Whether the store has some of the request's generations, finished or with progress. Raises StoreError."""
    generations = request.plan.generations
    return bool(request.store.finished(generations) or request.store.begun() & generations.keys())
