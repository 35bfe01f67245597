"""Publishing finished generations, so that each is whole or absent, whoever else publishes it at the same time.

In a directory its files are written elsewhere, then moved to their place by one rename. It refuses a name that is taken
by a folder with something in it. In an object store, which renames nothing, the files are written into a folder of
their publisher's own, and then the record that names this folder is created, which one publisher can.

So the first one's stays, and the second finds it complete and answers with it: both did the same work.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping

from bansweep.errors import DamagedError, StoreError
from bansweep.store.digests import sha256
from bansweep.store.layout import RECORD_FILE, Layout
from bansweep.store.local_path import LocalPath
from bansweep.store.paths import StorePath
from bansweep.store.published import read_all, set_aside
from bansweep.store.records import GenerationRecord, encode_record, sealed

_log = logging.getLogger(__name__)
_ATTEMPTS = 5


def publish(layout: Layout, record: GenerationRecord, contents: Mapping[str, bytes]) -> GenerationRecord:
    """Publishes a generation's files (name -> content) with its record, and returns the record that is now stored.

    That is another's where the generation was complete before. What is there and incomplete or damaged is set aside.
    Raises StoreError where the store cannot be written, with nothing of the generation published.

    Side effects: generations/<id>; generations/.damaged-<id>-*; removes old leftovers of crashed publishers.
    """
    target = layout.generation(record.id)
    layout.generations.remove_leftovers(".publishing-")
    digests = {name: sha256(content) for name, content in contents.items()}
    for _ in range(_ATTEMPTS):
        attempt = uuid.uuid4().hex
        if isinstance(target, LocalPath):
            record = sealed(record, digests)
            done = _move_there(target, record, contents, attempt)
        else:
            record = sealed(record, digests, folder=attempt)
            done = _name_there(target, record, contents)
        if done:
            return record
        if (existing := _undamaged(layout, record.id)) is not None:
            return existing
        if target.exists():
            _log.warning("%s is incomplete or damaged: set aside as %s", target, set_aside(layout, record.id).name)
    raise StoreError(f"cannot publish {target}: something else keeps writing there")


def _move_there(target: LocalPath, record: GenerationRecord, contents: Mapping[str, bytes], attempt: str) -> bool:
    """Whether the folder could be moved to its place; if not, nothing of it stays."""
    temporary = target.with_name(f".publishing-{record.id}-{attempt}")
    done = False
    try:
        temporary.write_into({**contents, RECORD_FILE: encode_record(record)})
        done = temporary.move_folder(target)
    finally:
        if not done:
            _discard(temporary)
    return done


def _name_there(target: StorePath, record: GenerationRecord, contents: Mapping[str, bytes]) -> bool:
    """Whether the record could be created; if not, nothing of the files stays."""
    folder = target / record.folder
    try:
        for name, content in contents.items():
            (folder / name).replace(content)
    except BaseException:
        _discard(folder)
        raise
    # An interruption from here on leaves them: the record may have come to be, though nobody heard.
    if not (target / RECORD_FILE).create(encode_record(record)):
        _discard(folder)
        return False
    _discard_others(target, record)
    return True


def _discard_others(target: StorePath, record: GenerationRecord) -> None:
    """Whatever else is there was left by publishers that died, or come too late."""
    try:
        for name in target.names():
            if name not in (record.folder, RECORD_FILE):
                _discard(target / name)
    except StoreError as error:  # the generation is published all the same
        _log.warning("%s may hold more than it needs: %s", target, error.cause)


def _undamaged(layout: Layout, generation_id: str) -> GenerationRecord | None:
    """The record of a generation whose files all match their digests; None where something is wrong with it."""
    try:
        return read_all(layout, generation_id)
    except DamagedError:
        return None


def _discard(folder: StorePath) -> None:
    try:
        folder.remove_folder()
    except StoreError as error:  # the first failure is the one to tell
        _log.warning("%s stays behind: %s", folder, error.cause)
