"""Progress: the last two are kept, damage falls back, and writers at the same time harm nobody."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bansweep.graph.results import EpochReport
from bansweep.store.progress import Progress
from bansweep.store.store import Store

ID = "0123456789abcdef"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def after(epochs: int) -> Progress:
    history = tuple(
        EpochReport(epoch, 9, 0.5, 100.0 + epoch, {"train_loss": 1 / epoch}) for epoch in range(1, epochs + 1)
    )
    return Progress(epochs, tensors=f"tensors\nof {epochs}\n".encode() * 100, history=history)


def folder_of(store: Store) -> Path:
    return store.directory / "progress" / ID


def test_the_newest_is_loaded_and_two_are_kept(store: Store) -> None:
    for epochs in (1, 2, 3):
        store.save_progress(ID, after(epochs))
        assert store.load_progress(ID) == after(epochs)
        assert store.epochs_done(ID) == epochs
    assert names(folder_of(store)) == ["epoch-000002.progress", "epoch-000003.progress"]


@pytest.mark.parametrize("damage", ["first", "digest", "manifest", "last", "cut", "empty"])
def test_damage_falls_back_to_the_one_before(store: Store, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    for epochs in (1, 2):
        store.save_progress(ID, after(epochs))
    path = folder_of(store) / "epoch-000002.progress"
    content = bytearray(path.read_bytes())
    if damage in ("cut", "empty"):
        content = content[:-1] if damage == "cut" else content[:0]
    else:
        content[{"first": 0, "digest": 64, "manifest": 90, "last": -1}[damage]] ^= 1
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, logger="bansweep.store"):
        assert store.load_progress(ID) == after(1)
    assert str(path) in caplog.text
    assert "epoch 1" in caplog.text
    assert names(folder_of(store)) == ["epoch-000001.progress", "epoch-000002.progress.damaged"]
    assert store.epochs_done(ID) == 1
    store.save_progress(ID, after(2))
    assert store.load_progress(ID) == after(2)


def test_nothing_undamaged_is_nothing(store: Store) -> None:
    store.save_progress(ID, after(1))
    (folder_of(store) / "epoch-000001.progress").write_bytes(b"\n")
    assert store.load_progress(ID) is None
    assert store.epochs_done(ID) == 0


def test_a_writer_that_died_leaves_nothing_that_is_loaded(store: Store) -> None:
    store.save_progress(ID, after(1))
    half = folder_of(store) / ".epoch-000002.progress.0000.tmp"
    half.write_bytes(b"half")
    assert store.load_progress(ID) == after(1)
    long_ago = half.stat().st_mtime - 7200
    os.utime(half, (long_ago, long_ago))
    store.save_progress(ID, after(2))
    assert not half.exists()


@pytest.mark.parametrize("compiled_epochs", [None, 0, 1, 2])
def test_how_many_epochs_were_compiled_is_kept(store: Store, compiled_epochs: int | None) -> None:
    progress = dataclasses.replace(after(2), compiled_epochs=compiled_epochs)
    store.save_progress(ID, progress)
    assert store.load_progress(ID) == progress


def as_written_with(store: Store, compiled: str) -> None:
    """A file whose manifest has `compiled` at its end, as another version would write it."""
    path = folder_of(store) / "epoch-000002.progress"
    _, manifest, tensors = path.read_bytes().split(b"\n", 2)
    changed = manifest.replace(b', "compiled_epochs": 1', compiled.encode())
    body = changed + b"\n" + tensors
    path.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def test_progress_of_a_former_version_does_not_say(store: Store) -> None:
    store.save_progress(ID, dataclasses.replace(after(2), compiled_epochs=1))
    as_written_with(store, "")
    assert store.load_progress(ID) == after(2)


@pytest.mark.parametrize("wrong", ["3", "-1", '"all"'])
def test_a_number_of_compiled_epochs_that_cannot_be_is_no_progress(store: Store, wrong: str) -> None:
    store.save_progress(ID, dataclasses.replace(after(2), compiled_epochs=1))
    as_written_with(store, f', "compiled_epochs": {wrong}')
    assert store.load_progress(ID) is None


def test_cleared_progress_is_gone_with_all_that_was_set_aside(store: Store) -> None:
    store.save_progress(ID, after(1))
    (folder_of(store) / "epoch-000001.progress").write_bytes(b"damaged")
    store.load_progress(ID)
    store.clear_progress(ID)
    assert names(store.directory / "progress") == []
    assert store.load_progress(ID) is None


WRITER = """
import sys
from pathlib import Path
from bansweep.store.progress import Progress
from bansweep.store.store import Store

store, writer = Store(Path(sys.argv[1])), sys.argv[2].encode()
sys.stdin.readline()
for attempt in range(200):
    store.save_progress(sys.argv[3], Progress(1 + attempt // 50, writer * 100_000, ()))
    if attempt % 50 == 49:
        store.clear_progress(sys.argv[3])
store.save_progress(sys.argv[3], Progress(41, writer * 100_000, ()))
print("done")
"""


def test_two_writers_at_once_corrupt_nothing(
    store: Store, start_script: Callable[..., subprocess.Popen[str]], caplog: pytest.LogCaptureFixture
) -> None:
    writers = [start_script(WRITER, store.directory, name, ID) for name in "ab"]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    loaded = 0
    with caplog.at_level(logging.WARNING, logger="bansweep.store"):
        while any(writer.poll() is None for writer in writers):
            time.sleep(0.002)
            if (progress := store.load_progress(ID)) is not None:
                loaded += 1
                assert progress.tensors in (b"a" * 100_000, b"b" * 100_000)
    assert [writer.communicate()[0] for writer in writers] == ["done\n", "done\n"]
    assert loaded > 10
    assert caplog.text == ""
    assert store.epochs_done(ID) == 41
    assert not [name for name in names(folder_of(store)) if not name.endswith(".progress")]


def test_attempts_count_while_no_epoch_is_saved_in_between(store: Store) -> None:
    assert [store.begin_attempt(ID, "run") for _ in range(3)] == [1, 2, 3]
    assert store.begin_attempt(ID, "another run") == 1
    assert [store.begin_attempt(ID, "run") for _ in range(2)] == [1, 2]
    store.save_progress(ID, after(1))
    assert [store.begin_attempt(ID, "run") for _ in range(2)] == [1, 2]
    (folder_of(store) / "attempts.json").write_text("{}")
    assert store.begin_attempt(ID, "run") == 1
    assert store.load_progress(ID) == after(1)
