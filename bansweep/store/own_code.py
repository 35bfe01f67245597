"""Code of the user's own in records: when it may be run."""

from __future__ import annotations

from bansweep.errors import StoreError
from bansweep.spec.networks import OwnNetwork
from bansweep.store.records import GenerationRecord


def check_own_code(record: GenerationRecord, *, planned_id: str | None) -> None:
    """Code that a store holds is run where it is what a sweep file at hand has named, and nowhere else.

    `planned_id` is the generation's by that sweep: the digest of all that it is, its code included. Raises StoreError
    where the record's code is other code, or None says that no sweep has named it.
    """
    network, planned = record.trained.network, record.generation
    if not isinstance(network, OwnNetwork):
        return
    if planned_id is None:
        raise StoreError(
            f"the network of {record.id} is code of somebody's own ({network.code.file}:{network.code.name}), "
            "which is not run because a store holds it",
            remedy="name the sweep file that names it, and the cell: SWEEP ROW/COLUMN",
        )
    same_code = isinstance(planned.network, OwnNetwork) and planned.network.code.text == network.code.text
    if planned.id != planned_id or not same_code:
        raise StoreError(
            f"the record of {record.id} holds other code than the sweep names",
            remedy="somebody has changed the store: remove that generation, and run the sweep again",
        )
