"""Finished generations: written elsewhere, then moved to their place by one rename, so that they are whole or absent.

Two processes may publish one generation at once. The rename refuses a name that is taken by a folder with something
in it, so the first one's stays, and the second finds it complete and answers with it: both did the same work.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from pathlib import Path

from bansweep.errors import DamagedError, StoreError
from bansweep.store import files
from bansweep.store.layout import RECORD_FILE, Layout
from bansweep.store.records import TRAINED_AGAIN, GenerationRecord, decode_record, encode_record, sealed

_log = logging.getLogger(__name__)
_ATTEMPTS = 5


def publish(layout: Layout, record: GenerationRecord, contents: Mapping[str, bytes]) -> GenerationRecord:
    """Publishes a generation's files (name -> content) with its record, and returns the record that is now stored.

    That is another's where the generation was complete before. What is there and incomplete or damaged is set aside.
    Raises StoreError where the store cannot be written, with nothing of the generation published.

    Side effects: generations/<id>; generations/.damaged-<id>-*; removes old leftovers of crashed publishers.
    """
    target = layout.generation(record.id)
    files.remove_leftovers(layout.generations, ".publishing-", files.REMOVED)
    record = sealed(record, {name: files.sha256(content) for name, content in contents.items()})
    temporary = target.with_name(f".publishing-{record.id}-{uuid.uuid4().hex}")
    try:
        files.write_into(temporary, {**contents, RECORD_FILE: encode_record(record)})
        for _ in range(_ATTEMPTS):
            if files.move_folder(temporary, target):
                return record
            if (existing := _undamaged(layout, record.id)) is not None:
                files.remove_folder(temporary)
                return existing
            _log.warning("%s is incomplete or damaged: set aside as %s", target, set_aside(layout, record.id).name)
        raise StoreError(f"cannot publish {target}: something else keeps writing there")
    except BaseException:
        _discard(temporary)
        raise


def read_record(layout: Layout, generation_id: str) -> GenerationRecord | None:
    """The record of a finished generation; None where it is not finished.

    Raises DamagedError where it does not match its digest, StoreError where it cannot be read.
    """
    path = layout.record(generation_id)
    try:
        record = decode_record(files.read(path), path)
    except FileNotFoundError:
        return None
    if record.id != generation_id:
        raise DamagedError(f"{path} is the record of {record.id}", remedy=f"move {path.parent} to {record.id}")
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


def damage(layout: Layout, generation_id: str) -> str | None:
    """What is wrong with a finished generation, all of whose files are read; None where they match their digests, or it
    is not finished. Raises StoreError where they cannot be read."""
    try:
        _read_all(layout, generation_id)
    except DamagedError as error:
        return error.cause
    return None


def set_aside(layout: Layout, generation_id: str) -> Path:
    """Takes a generation out of the store, for somebody to look at: returns the folder that it is in now."""
    aside = layout.generation(generation_id).with_name(f".damaged-{generation_id}-{uuid.uuid4().hex[:8]}")
    files.set_aside(layout.generation(generation_id), aside.name)
    return aside


def _undamaged(layout: Layout, generation_id: str) -> GenerationRecord | None:
    """The record of a generation whose files all match their digests; None where something is wrong with it."""
    try:
        return _read_all(layout, generation_id)
    except DamagedError:
        return None


def _read_all(layout: Layout, generation_id: str) -> GenerationRecord | None:
    """The record of a finished generation, all of whose files are read. Raises DamagedError for the first bad one."""
    record = read_record(layout, generation_id)
    if record is not None:
        for name in sorted(record.digests.keys() - {RECORD_FILE}):
            _recorded_file(layout, record, name)
    return record


def _recorded_file(layout: Layout, record: GenerationRecord, name: str) -> bytes:
    path = layout.generation(record.id) / name
    try:
        content = files.read(path)
    except FileNotFoundError:
        raise DamagedError(f"{path} is missing", remedy=TRAINED_AGAIN) from None
    recorded, actual = record.digests.get(name), files.sha256(content)
    if recorded != actual:
        raise DamagedError(f"{path} is damaged: its SHA-256 is {actual}, not {recorded}", remedy=TRAINED_AGAIN)
    return content


def _discard(folder: Path) -> None:
    try:
        files.remove_folder(folder)
    except StoreError as error:  # the first failure is the one to tell
        _log.warning("%s stays behind: %s", folder, error.cause)
