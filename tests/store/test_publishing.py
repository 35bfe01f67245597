"""Publishing that is interrupted: what may be published keeps its files, and leftovers go with the next one."""

from __future__ import annotations

from collections.abc import Callable

import fsspec
import pytest

from bansweep.errors import StoreError
from bansweep.store.layout import Layout
from bansweep.store.object_path import ObjectPath
from bansweep.store.publishing import publish, read_all
from bansweep.store.records import GenerationRecord

CONTENTS = {"weights.safetensors": b"weights", "history.parquet": b"history"}
Method = Callable[..., bool]


@pytest.fixture
def layout() -> Layout:
    filesystem = fsspec.filesystem("memory", skip_instance_cache=True)
    filesystem.store, filesystem.pseudo_dirs = {}, [""]
    return Layout(ObjectPath(filesystem, "memory", "/bucket/store"))


def interrupt(monkeypatch: pytest.MonkeyPatch, method: str, error: BaseException, *, after: bool) -> None:
    """Let the next call of an ObjectPath's method end with an error, before or after it has done its work."""
    original = getattr(ObjectPath, method)

    def interrupted(path: ObjectPath, *arguments: object) -> bool:
        monkeypatch.undo()
        if after:
            original(path, *arguments)
        raise error

    monkeypatch.setattr(ObjectPath, method, interrupted)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StoreError("the answer was lost", remedy="none")])
def test_a_record_that_came_to_be_though_nobody_heard_keeps_its_files(
    layout: Layout, record: GenerationRecord, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(monkeypatch, "create", error, after=True)
    with pytest.raises(type(error)):
        publish(layout, record, CONTENTS)
    stored = read_all(layout, record.id)
    assert stored is not None
    assert publish(layout, record, dict.fromkeys(CONTENTS, b"other")) == stored


def test_what_an_interrupted_one_has_left_goes_with_the_next(
    layout: Layout, record: GenerationRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(monkeypatch, "create", KeyboardInterrupt(), after=False)
    with pytest.raises(KeyboardInterrupt):
        publish(layout, record, CONTENTS)
    assert len(layout.generation(record.id).names()) == 1, "it may have come to be"
    assert read_all(layout, record.id) is None
    stored = publish(layout, record, CONTENTS)
    assert layout.generation(record.id).names() == sorted(["generation.json", stored.folder])


def test_interrupted_before_its_record_it_leaves_nothing(
    layout: Layout, record: GenerationRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(monkeypatch, "replace", KeyboardInterrupt(), after=True)
    with pytest.raises(KeyboardInterrupt):
        publish(layout, record, CONTENTS)
    assert layout.generation(record.id).names() == []


def test_what_goes_wrong_while_tidying_takes_nothing_back(
    layout: Layout, record: GenerationRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(monkeypatch, "names", StoreError("the network is away", remedy="none"), after=False)
    stored = publish(layout, record, CONTENTS)
    assert read_all(layout, record.id) == stored
