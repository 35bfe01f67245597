"""From a sweep to its plan, with the ids under which a store holds its generations."""

from __future__ import annotations

from collections.abc import Sequence

from bansweep.errors import StoreError
from bansweep.plan.expand import expand, expansions
from bansweep.plan.generation import DataIdentity
from bansweep.plan.plan import Plan
from bansweep.plan.stored_ids import as_stored
from bansweep.spec.sweep import SweepSpec
from bansweep.store.store import Store


def planned(sweep: SweepSpec, data: Sequence[DataIdentity], store: Store, *, to_run: bool = False) -> Plan:
    """The plan of a valid sweep. What the store holds under former ids has these.

    `data` are the identities of its data set, from `data_identities`. A plan `to_run` must know what the store holds,
    and raises StoreError where the store cannot be read. Other plans then have normalised ids.
    """
    try:
        return as_stored(expansions(sweep, data), store)
    except StoreError:
        if to_run:
            raise
        return expand(sweep, data[0])
