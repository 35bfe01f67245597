"""Reading finished generations: what does not match its digest is damaged, and is told or set aside."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from bansweep.errors import DamagedError, StoreError
from bansweep.plan.generation import IDENTITY_VERSION, Generation, id_of_version
from bansweep.store.digests import sha256
from bansweep.store.layout import PUBLISHED_FILES, RECORD_FILE, Layout
from bansweep.store.paths import StorePath
from bansweep.store.records import TRAINED_AGAIN, GenerationRecord, decode_record


def read_record(layout: Layout, generation_id: str) -> GenerationRecord | None:
    """The record of a finished generation; None where it is not finished.

    Raises DamagedError where it does not match its digest, StoreError where it cannot be read.
    """
    path = layout.record(generation_id)
    try:
        record = decode_record(_read(path), path)
    except FileNotFoundError:
        return None
    check_identity(record, generation_id, path)
    return record


def read_file(layout: Layout, generation_id: str, name: str) -> bytes:
    """One file of a finished generation, its digest checked.

    Raises StoreError where the generation is not finished, DamagedError where the file is not what was published.
    """
    record = read_record(layout, generation_id)
    if record is None:
        raise StoreError(
            f"generation {generation_id} is not in the store {layout.root}",
            remedy="train it with bansweep run, or name the store that has it with --store",
        )
    return _recorded_file(layout, record, name)


def read_all(layout: Layout, generation_id: str, *, but: Collection[str] = ()) -> GenerationRecord | None:
    """The record of a generation, all of whose files `but` some are read; None where it is not finished.

    Raises DamagedError for the first file that does not match its digest.
    """
    record = read_record(layout, generation_id)
    if record is not None:
        for name in sorted(record.digests.keys() - {RECORD_FILE, *but}):
            _recorded_file(layout, record, name)
    return record


def damage(layout: Layout, generation_id: str, *, but: Collection[str] = ()) -> str | None:
    """What is wrong with a finished generation, all of whose files `but` some are read; None where they match their
    digests, or it is not finished. Raises StoreError where they cannot be read."""
    try:
        read_all(layout, generation_id, but=but)
    except DamagedError as error:
        return error.cause
    return None


def set_aside(layout: Layout, generation_id: str) -> StorePath:
    """Takes a generation out of the store, for somebody to look at: returns the folder that it is in now."""
    place = layout.generation(generation_id)
    aside = place.with_name(f".damaged-{generation_id}-{uuid.uuid4().hex[:8]}")
    place.set_aside(aside.name)
    return aside


def _recorded_file(layout: Layout, record: GenerationRecord, name: str) -> bytes:
    folder = layout.generation(record.id)
    path = (folder / record.folder if record.folder else folder) / name
    try:
        content = _read(path)
    except FileNotFoundError:
        raise DamagedError(f"{path} is missing", remedy=TRAINED_AGAIN) from None
    recorded, actual = record.digests.get(name), sha256(content)
    if recorded != actual:
        raise DamagedError(f"{path} is damaged: its SHA-256 is {actual}, not {recorded}", remedy=TRAINED_AGAIN)
    return content


def _read(path: StorePath) -> bytes:
    """Reads a file of a finished generation. Raises FileNotFoundError, and DamagedError for what cannot be one."""
    try:
        return path.read(at_most=PUBLISHED_FILES[path.name])
    except DamagedError as error:
        raise DamagedError(error.cause, remedy=TRAINED_AGAIN) from error


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
