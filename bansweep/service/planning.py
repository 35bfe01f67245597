"""From a sweep to its plan, with the ids under which a store holds its generations."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from bansweep.data.fingerprint import data_identities
from bansweep.data.size import whole_limits
from bansweep.errors import StoreError
from bansweep.plan.expand import expand, expansions
from bansweep.plan.generation import DataIdentity
from bansweep.plan.plan import Plan
from bansweep.plan.stored_ids import as_stored
from bansweep.spec.sweep import SweepSpec
from bansweep.store.store import Store


def planned(sweep: SweepSpec, data: Sequence[DataIdentity], store: Store, *, to_run: bool = False) -> Plan:
    """The plan of a valid sweep. What the store holds under former ids has these.

    `data` are the identities of its data set, from `data_identities`. A plan `to_run` must know what the store holds:
    this prepares a data set whose size is still unknown if the store lacks anything, because the size may decide ids,
    and raises StoreError where the store cannot be read. Other plans then have normalised ids. Raises DataError where
    the data cannot be prepared.
    """
    if not to_run:
        with suppress(StoreError):
            return as_stored(expansions(sweep, data), store)
        return expand(sweep, data[0])
    plan = as_stored(expansions(sweep, data), store)
    size_known = any(whole_limits(sweep.data, one.fingerprint) for one in data)
    if size_known or len(store.finished(plan.generations)) == len(plan.generations):
        return plan
    # Reading images takes NumPy, which planning does without.
    from bansweep.data.prepare import prepare

    prepare(sweep.data)
    return as_stored(expansions(sweep, data_identities(sweep.data)), store)
