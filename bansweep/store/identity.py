"""Checks that a record is stored under the id of its content."""

from __future__ import annotations

from bansweep.errors import DamagedError
from bansweep.plan.generation import IDENTITY_VERSION, Generation, id_of_version
from bansweep.store.paths import StorePath
from bansweep.store.records import TRAINED_AGAIN, GenerationRecord


def check_identity(record: GenerationRecord, generation_id: str, path: StorePath) -> None:
    """Raises DamagedError unless the record at `path` belongs to the generation with this id.

    An id is a hash of the generation, which includes its teacher's id. A record under another id could claim to be any
    generation, or its own teacher. A searched generation stores its winner's files under the id of the search; its
    record contains the searched generation, so that the id matches there too.
    """
    if record.id != generation_id:
        raise DamagedError(f"{path} is the record of {record.id}", remedy=f"move {path.parent} to {record.id}")
    if generation_id != record.generation.id and generation_id not in former_ids(record.generation):
        raise DamagedError(
            f"{path} does not match its id: the id of its content is {record.generation.id}", remedy=TRAINED_AGAIN
        )


def former_ids(generation: Generation) -> frozenset[str]:
    """The ids that former versions gave this generation. Old stores have its record under one of them."""
    return frozenset(id_of_version(generation, version) for version in range(1, IDENTITY_VERSION))
