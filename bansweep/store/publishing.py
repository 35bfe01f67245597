"""Publishing finished generations atomically, reading them with digests checked, and setting damaged ones aside.

In a directory, the files are written to a temporary folder, which one rename moves to its place. The rename fails where
a folder with files has that name. An object store cannot rename: each publisher writes the files into a folder of its
own, then creates the record that names this folder. Only one publisher can create it.

So the first publisher's files stay. The second finds them complete and returns their record: both did the same work.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from bansweep.errors import DamagedError, StoreError
from bansweep.graph.generation import IDENTITY_VERSION, Generation, id_of_version
from bansweep.store.claims import Claim
from bansweep.store.layout import PUBLISHED_FILES, RECORD_FILE, WEIGHTS_FILE, Layout, sha256
from bansweep.store.local_path import LocalPath
from bansweep.store.paths import StorePath
from bansweep.store.records import TRAINED_AGAIN, GenerationRecord, decode_record, encode_record, sealed

_log = logging.getLogger(__name__)

READERS = 8
"""The number of threads that read at once: hashing and waiting for a network release Python's lock."""
_ATTEMPTS = 5


def publish(layout: Layout, record: GenerationRecord, contents: Mapping[str, bytes]) -> GenerationRecord:
    """Publishes a generation's files (name -> content) with its record, and returns the record that is now stored.

    If the generation was complete before, that is the earlier record. Incomplete or damaged files there are set aside.
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
            done = _publish_by_rename(target, record, contents, attempt)
        else:
            record = sealed(record, digests, folder=attempt)
            done = _publish_by_record(target, record, contents)
        if done:
            return record
        if (existing := _undamaged(layout, record.id)) is not None:
            return existing
        if target.exists():
            _log.warning("%s is incomplete or damaged: set aside as %s", target, set_aside(layout, record.id).name)
    raise StoreError(f"cannot publish {target}: something else keeps writing there")


def _publish_by_rename(
    target: LocalPath, record: GenerationRecord, contents: Mapping[str, bytes], attempt: str
) -> bool:
    """Writes a folder and renames it; returns whether it did. On failure no files are left."""
    temporary = target.with_name(f".publishing-{record.id}-{attempt}")
    done = False
    try:
        temporary.write_into({**contents, RECORD_FILE: encode_record(record)})
        done = temporary.move_folder(target)
    finally:
        if not done:
            _discard(temporary)
    return done


def _publish_by_record(target: StorePath, record: GenerationRecord, contents: Mapping[str, bytes]) -> bool:
    """Writes the files, then creates the record; returns whether it did. On failure no files are left."""
    folder = target / record.folder
    try:
        for name, content in contents.items():
            (folder / name).replace(content)
    except BaseException:
        _discard(folder)
        raise
    # An interruption from here on leaves the files: the record may have been created without an answer.
    if not (target / RECORD_FILE).create(encode_record(record)):
        _discard(folder)
        return False
    _discard_others(target, record)
    return True


def _discard_others(target: StorePath, record: GenerationRecord) -> None:
    """Removes the files of other publishers, which died or came too late."""
    try:
        for name in target.names():
            if name not in (record.folder, RECORD_FILE):
                _discard(target / name)
    except StoreError as error:  # the generation is published all the same
        _log.warning("%s may hold more than it needs: %s", target, error.cause)


def _undamaged(layout: Layout, generation_id: str) -> GenerationRecord | None:
    """The record of a generation whose files all match their digests; None where one does not."""
    try:
        return read_all(layout, generation_id)
    except DamagedError:
        return None


def _discard(folder: StorePath) -> None:
    try:
        folder.remove_folder()
    except StoreError as error:  # the caller reports the first failure
        _log.warning("%s stays behind: %s", folder, error.cause)


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
    """Reads all files of a generation except `but`; returns its record, None where it is not finished.

    Raises DamagedError for the first file that does not match its digest.
    """
    record = read_record(layout, generation_id)
    if record is not None:
        for name in sorted(record.digests.keys() - {RECORD_FILE, *but}):
            _recorded_file(layout, record, name)
    return record


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
    """The ids that former versions gave this generation. Old stores may have its record under one of them."""
    return frozenset(id_of_version(generation, version) for version in range(1, IDENTITY_VERSION))


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


def set_aside_damaged(
    layout: Layout,
    generations: Mapping[str, Generation],
    *,
    finished: Callable[[Iterable[str]], Collection[str]],
    claim: Callable[[str], Claim],
) -> dict[str, str]:
    """Reads the files of the finished generations and sets the damaged ones aside; returns id -> damage.

    In a remote store, only the weights of teachers that an unfinished one of `generations` needs are read: weights are
    most of the data, and every other reader checks their digest.
    """
    damages: dict[str, str] = {}
    read: set[tuple[str, bool]] = set()
    while True:
        there = finished(generations)
        teachers = {one.teacher for key, one in generations.items() if key not in there}
        unread = {(key, not layout.root.remote or key in teachers) for key in there} - read
        if not unread:
            return damages
        read |= unread
        with ThreadPoolExecutor(READERS) as readers:
            causes = readers.map(lambda one: _damage(layout, *one), sorted(unread))
            damaged = {
                key: with_weights for (key, with_weights), cause in zip(sorted(unread), causes, strict=True) if cause
            }
        # A generation that was set aside is trained again and needs its teacher's weights.
        for key, with_weights in damaged.items():
            text = _set_aside_if_damaged(layout, key, with_weights=with_weights, claim=claim(key))
            if text is not None:
                damages[key] = text


def set_aside(layout: Layout, generation_id: str) -> StorePath:
    """Moves a generation out of the store's results and returns its new folder."""
    place = layout.generation(generation_id)
    aside = place.with_name(f".damaged-{generation_id}-{uuid.uuid4().hex[:8]}")
    place.set_aside(aside.name)
    return aside


def find_damage(layout: Layout, generation_id: str, *, but: Collection[str] = ()) -> str | None:
    """Reads all files of a generation except `but`; returns the damage, None where there is none or it is not finished.

    Raises StoreError where they cannot be read.
    """
    try:
        read_all(layout, generation_id, but=but)
    except DamagedError as error:
        return error.cause
    return None


def _set_aside_if_damaged(layout: Layout, generation_id: str, *, with_weights: bool, claim: Claim) -> str | None:
    """Sets a generation aside if it is still damaged under its claim; returns the damage and the new folder."""

    def is_gone() -> bool:
        return not layout.record(generation_id).exists()

    with claim:
        if not claim.acquire(until=is_gone):
            return None
        cause = _damage(layout, generation_id, with_weights)
        if cause is None:
            return None
        return f"{cause}; set aside as {set_aside(layout, generation_id)}"


def _damage(layout: Layout, generation_id: str, with_weights: bool) -> str | None:
    return find_damage(layout, generation_id, but=() if with_weights else (WEIGHTS_FILE,))
