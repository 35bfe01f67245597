"""Whether a record lies where it belongs: under the id that its content gives."""

from __future__ import annotations

from bansweep.errors import DamagedError
from bansweep.plan.generation import IDENTITY_VERSION, Generation, id_of_version
from bansweep.store.paths import StorePath
from bansweep.store.records import TRAINED_AGAIN, GenerationRecord


def check_identity(record: GenerationRecord, generation_id: str, path: StorePath) -> None:
    """Raises DamagedError where the record at `path` is not the one of the generation with this id.

    An id is a hash of all that the generation is, its teacher's id included. A record under another id could claim to
    be any generation, or its own teacher. A searched generation has the winner's files under the id of the search,
    and its record has the searched generation, whose hash that id is.
    """
    if record.id != generation_id:
        raise DamagedError(f"{path} is the record of {record.id}", remedy=f"move {path.parent} to {record.id}")
    if generation_id != record.generation.id and generation_id not in former_ids(record.generation):
        raise DamagedError(
            f"{path} is not what its id says: its content has the id {record.generation.id}", remedy=TRAINED_AGAIN
        )


def former_ids(generation: Generation) -> frozenset[str]:
    """The ids that former versions gave this generation: old stores have its record under one of them."""
    return frozenset(id_of_version(generation, version) for version in range(1, IDENTITY_VERSION))
