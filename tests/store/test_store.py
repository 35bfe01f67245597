"""The store as its users see it: what goes in comes out, damage is told, and failures leave nothing behind."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from patience import PROCESS_S

from bansweep.errors import DamagedError, StoreError
from bansweep.graph.results import EpochReport
from bansweep.store.parquet_tables import Predictions
from bansweep.store.progress import Progress
from bansweep.store.records import SCHEMA_VERSION, GenerationRecord
from bansweep.store.store import Store

FILES = ("generation.json", "weights.safetensors", "history.parquet", "predictions.parquet")


@pytest.fixture
def published(
    store: Store,
    record: GenerationRecord,
    weights: bytes,
    history: tuple[EpochReport, ...],
    predictions: Predictions,
) -> GenerationRecord:
    return store.publish(record, weights=weights, history=history, predictions=predictions)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read_everything(store: Store, generation_id: str) -> None:
    assert store.record(generation_id) is not None
    store.weights(generation_id)
    store.history(generation_id)
    store.predictions(generation_id)


def test_nothing_is_created_before_something_is_written(store: Store) -> None:
    assert store.finished(["0" * 16]) == frozenset()
    assert store.record("0" * 16) is None
    assert store.load_progress("0" * 16) is None
    assert store.epochs_done("0" * 16) == 0
    store.clear_progress("0" * 16)
    store.claim("0" * 16)
    assert not store.directory.exists()


def test_a_copied_generation_is_as_good_as_one_that_was_trained_here(
    store: Store, published: GenerationRecord, tmp_path: Path
) -> None:
    home = Store(tmp_path / "home")
    shutil.copytree(store.directory / "generations", home.directory / "generations")
    assert home.finished([published.id]) == {published.id}
    assert home.record(published.id) == published
    read_everything(home, published.id)

    (home.directory / "generations" / published.id / "weights.safetensors").write_bytes(b"half")
    set_aside = home.set_aside_damaged({published.id: published.generation})
    assert "weights.safetensors" in set_aside[published.id]
    assert home.finished([published.id]) == frozenset()


def test_ids_are_those_of_finished_generations(store: Store, published: GenerationRecord) -> None:
    assert Store(store.directory / "none").ids() == ()
    generations = store.directory / "generations"
    (generations / f".damaged-{published.id}-0").mkdir()
    (generations / f".damaged-{published.id}-0" / "generation.json").touch()
    (generations / ("0" * 16)).mkdir()
    (generations / "notes.txt").touch()
    assert store.ids() == (published.id,)


def test_what_is_present_may_be_incomplete(store: Store, published: GenerationRecord) -> None:
    assert Store(store.directory / "none").present() == frozenset()
    (store.directory / "generations" / ("0" * 16)).mkdir()
    (store.directory / "generations" / f".damaged-{published.id}-0").mkdir()
    store.save_progress("1" * 16, Progress(1, b"", ()))
    assert store.present() == {published.id, "0" * 16, "1" * 16}


def test_what_is_published_can_be_read(
    store: Store,
    published: GenerationRecord,
    record: GenerationRecord,
    weights: bytes,
    history: tuple[EpochReport, ...],
    predictions: Predictions,
) -> None:
    assert store.finished([record.id, "0" * 16]) == {record.id}
    assert store.record(record.id) == published
    assert published.model_copy(update={"digests": {}}) == record
    assert store.weights(record.id) == weights
    assert store.history(record.id) == history
    stored = store.predictions(record.id)
    assert stored.probabilities_NC.dtype == np.float32
    assert stored.labels_N.dtype == np.int64
    np.testing.assert_array_equal(stored.probabilities_NC, predictions.probabilities_NC)
    np.testing.assert_array_equal(stored.labels_N, predictions.labels_N)
    assert stored.probabilities_NC.flags.writeable


def test_digests_are_those_of_the_files(store: Store, published: GenerationRecord) -> None:
    folder = store.directory / "generations" / published.id
    assert names(folder) == sorted(FILES) == sorted(published.digests)
    for name in FILES[1:]:
        assert published.digests[name] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    assert names(store.directory / "generations") == [published.id]


def test_the_record_is_standard_json_even_with_an_infinite_loss(
    store: Store, record: GenerationRecord, history: tuple[EpochReport, ...], predictions: Predictions
) -> None:
    diverged = record.model_copy(update={"metrics": {"test_loss": float("inf"), "test_error": 90.0}})
    store.publish(diverged, weights=b"w", history=history, predictions=predictions)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    json.loads((store.directory / "generations" / record.id / "generation.json").read_text(), parse_constant=refuse)
    stored = store.record(record.id)
    assert stored is not None
    assert stored.metrics == diverged.metrics


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.0, 0.3, 0.7, 1.0])
def test_a_flipped_byte_is_told_with_the_files_name(
    store: Store, published: GenerationRecord, name: str, place: float
) -> None:
    path = store.directory / "generations" / published.id / name
    content = bytearray(path.read_bytes())
    position = round(place * (len(content) - 2))
    while chr(content[position]).isspace():  # other white space would be the same record
        position += 1
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=name) as raised:
        read_everything(store, published.id)
    assert str(path) in raised.value.cause
    assert raised.value.remedy


def test_a_changed_figure_in_the_record_is_told(store: Store, published: GenerationRecord) -> None:
    path = store.directory / "generations" / published.id / "generation.json"
    path.write_text(path.read_text().replace("3.3333333333333335", "2.3333333333333335"))
    with pytest.raises(DamagedError, match=r"generation\.json"):
        store.record(published.id)


def test_a_missing_file_is_damage(store: Store, published: GenerationRecord) -> None:
    (store.directory / "generations" / published.id / "weights.safetensors").unlink()
    with pytest.raises(DamagedError, match=r"weights\.safetensors is missing"):
        store.weights(published.id)


def test_a_record_under_another_id_is_damage(store: Store, published: GenerationRecord) -> None:
    shutil.copytree(store.directory / "generations" / published.id, store.directory / "generations" / ("0" * 16))
    with pytest.raises(DamagedError, match=published.id):
        store.record("0" * 16)


def test_what_is_not_finished_cannot_be_read(store: Store) -> None:
    with pytest.raises(StoreError, match="not in the store") as raised:
        store.weights("0" * 16)
    assert not isinstance(raised.value, DamagedError)
    assert "--store" in raised.value.remedy


def test_a_newer_record_is_not_called_damaged_nor_set_aside(
    store: Store, record: GenerationRecord, history: tuple[EpochReport, ...], predictions: Predictions
) -> None:
    newer = record.model_copy(update={"schema_version": SCHEMA_VERSION + 1})
    store.publish(newer, weights=b"newer", history=history, predictions=predictions)
    with pytest.raises(StoreError, match="another version of bansweep") as raised:
        store.record(record.id)
    assert not isinstance(raised.value, DamagedError)
    with pytest.raises(StoreError, match="another version"):
        store.publish(record, weights=b"older", history=history, predictions=predictions)
    assert (store.directory / "generations" / record.id / "weights.safetensors").read_bytes() == b"newer"


def test_publishing_twice_keeps_the_first(
    store: Store,
    published: GenerationRecord,
    record: GenerationRecord,
    weights: bytes,
    history: tuple[EpochReport, ...],
    predictions: Predictions,
) -> None:
    other = record.model_copy(update={"host": "elsewhere"})
    assert store.publish(other, weights=b"other", history=history, predictions=predictions) == published
    assert store.weights(record.id) == weights
    assert names(store.directory / "generations") == [record.id]


@pytest.mark.parametrize("name", FILES)
def test_publishing_over_what_is_damaged_sets_it_aside(
    store: Store,
    published: GenerationRecord,
    record: GenerationRecord,
    weights: bytes,
    history: tuple[EpochReport, ...],
    predictions: Predictions,
    name: str,
) -> None:
    path = store.directory / "generations" / published.id / name
    path.write_bytes(path.read_bytes()[:-3])
    assert store.publish(record, weights=weights, history=history, predictions=predictions) == published
    read_everything(store, record.id)
    [aside] = set(names(store.directory / "generations")) - {record.id}
    assert aside.startswith(f".damaged-{record.id}-")


@pytest.mark.parametrize("name", FILES)
def test_what_is_damaged_is_finished_no_more_once_it_is_looked_at(
    store: Store, published: GenerationRecord, name: str
) -> None:
    path = store.directory / "generations" / published.id / name
    content = path.read_bytes()
    path.write_bytes(content[:-3] + bytes(3))
    [(damaged, cause)] = store.set_aside_damaged({published.id: published.generation}).items()
    assert damaged == published.id
    assert f"{path} is damaged" in cause
    assert not store.finished([published.id])
    [aside] = names(store.directory / "generations")
    assert f"set aside as {store.directory / 'generations' / aside}" in cause


def test_what_is_whole_stays_where_it_is(store: Store, published: GenerationRecord) -> None:
    assert store.set_aside_damaged({published.id: published.generation}) == {}
    assert store.finished([published.id]) == {published.id}


def test_a_record_that_names_another_generation_is_refused(
    store: Store, record: GenerationRecord, history: tuple[EpochReport, ...], predictions: Predictions
) -> None:
    with pytest.raises(ValueError, match=record.id):
        store.publish(record.model_copy(update={"id": "0" * 16}), weights=b"", history=history, predictions=predictions)
    assert not store.directory.exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../outside", "a/b", ".hidden", "x\n", "a" * 300])
def test_names_that_lead_out_of_the_store_are_refused(store: Store, name: str) -> None:
    for use in (store.record, store.weights, store.load_progress, store.clear_progress, store.claim):
        with pytest.raises(StoreError, match="not a generation's id"):
            use(name)
    with pytest.raises(StoreError, match="cannot name a sweep's folder"):
        store.write_sweep_file(name, "report.md", "")
    assert not store.directory.exists()


def test_a_sweeps_files_are_written_whole(store: Store) -> None:
    for text in ("first", "second"):
        store.write_sweep_file("table2", "report.md", text)
        folder = store.directory / "sweeps" / "table2"
        assert {path.name: path.read_text() for path in folder.iterdir()} == {"report.md": text}


def test_a_relative_root_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store(Path("here"))
    assert store.directory == tmp_path / "here"


def test_the_store_starts_without_heavy_packages(start_script: Callable[..., subprocess.Popen[str]]) -> None:
    code = """
import sys
import bansweep.store.store
print(sorted({"numpy", "pyarrow", "torch", "ray", "mlflow", "safetensors"} & sys.modules.keys()))
"""
    assert start_script(code).communicate(timeout=PROCESS_S)[0].strip() == "[]"
