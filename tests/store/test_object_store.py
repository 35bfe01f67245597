"""Stores on an S3 server: published once, claimed once, damage noticed, and what is wrong told."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from patience import PROCESS_S
from s3_server import make_bucket, s3_server

from bansweep.errors import DamagedError
from bansweep.graph.generation import Generation
from bansweep.graph.results import EpochReport
from bansweep.store.parquet_tables import Predictions
from bansweep.store.progress import Progress
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store

StartScript = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def store(bucket: str) -> Store:
    return Store(f"{bucket}/store")


@pytest.fixture
def published(
    store: Store, record: GenerationRecord, weights: bytes, history: tuple[EpochReport, ...], predictions: Predictions
) -> GenerationRecord:
    return store.publish(record, weights=weights, history=history, predictions=predictions)


def keys(store: Store) -> list[str]:
    """All objects of the store, without its own name."""
    name = store.location.removeprefix("s3://")
    filesystem = fsspec.filesystem("s3", use_listings_cache=False)
    return sorted(key.removeprefix(f"{name}/") for key in filesystem.find(name))


def test_what_is_published_can_be_read(
    store: Store, published: GenerationRecord, weights: bytes, history: tuple[EpochReport, ...]
) -> None:
    assert store.directory is None
    assert store.exists
    assert store.finished([published.id, "0" * 16]) == {published.id}
    assert store.ids() == (published.id,)
    assert store.present() == {published.id}
    assert store.record(published.id) == published
    assert store.weights(published.id) == weights
    assert store.history(published.id) == history
    place = f"generations/{published.id}"
    assert keys(store) == sorted(
        [
            f"{place}/generation.json",
            *(f"{place}/{published.folder}/{name}" for name in published.digests if name != "generation.json"),
        ]
    )


def test_it_is_the_same_store_once_copied_to_a_folder_and_back(
    store: Store, published: GenerationRecord, weights: bytes, tmp_path: Path
) -> None:
    filesystem = fsspec.filesystem("s3", use_listings_cache=False)
    name = store.location.removeprefix("s3://")
    filesystem.get(name, str(tmp_path / "copy"), recursive=True)
    assert Store(tmp_path / "copy").weights(published.id) == weights
    filesystem.put(str(tmp_path / "copy"), f"{name}-again", recursive=True)
    assert Store(f"{store.location}-again").weights(published.id) == weights


def test_published_twice_the_first_stays(
    store: Store, published: GenerationRecord, history: tuple[EpochReport, ...], predictions: Predictions
) -> None:
    before = keys(store)
    again = published.model_copy(update={"host": "elsewhere"})
    stored = store.publish(again, weights=b"other", history=history, predictions=predictions)
    assert stored == published
    assert keys(store) == before


def test_a_damaged_generation_is_told_set_aside_and_published_anew(
    store: Store,
    published: GenerationRecord,
    weights: bytes,
    history: tuple[EpochReport, ...],
    predictions: Predictions,
) -> None:
    filesystem = fsspec.filesystem("s3", use_listings_cache=False)
    (key,) = (key for key in keys(store) if key.endswith("weights.safetensors"))
    filesystem.pipe_file(f"{store.location}/{key}", b"damaged")
    with pytest.raises(DamagedError, match=r"weights\.safetensors is damaged"):
        store.weights(published.id)
    student = Generation.model_validate({**published.generation.model_dump(), "teacher": published.id})
    generations = {published.id: published.generation, student.id: student}
    (said,) = store.set_aside_damaged(generations).values()
    assert "set aside as s3://" in said
    assert store.finished([published.id]) == frozenset()
    assert store.ids() == ()
    store.publish(published, weights=weights, history=history, predictions=predictions)
    assert store.weights(published.id) == weights
    assert sum("/.damaged-" in f"/{key}" for key in keys(store)) == 4


PUBLISHER = """
import sys
from bansweep.store.publishing import publish
from bansweep.store.layout import Layout
from bansweep.store.location import store_path
from bansweep.store.records import GenerationRecord

layout, record = Layout(store_path(sys.argv[1])), GenerationRecord.model_validate_json(sys.argv[2])
sys.stdin.readline()
for number in range(10):
    ours = record.model_copy(update={"host": sys.argv[3], "label": str(number)})
    stored = publish(layout, ours, {"weights.safetensors": sys.argv[3].encode() * 1000})
    print(stored.host, flush=True)
"""


def test_of_two_publishers_one_wins_and_both_answer_with_it(
    store: Store, record: GenerationRecord, start_script: StartScript
) -> None:
    scripts = [start_script(PUBLISHER, store.location, record.model_dump_json(), name) for name in "ab"]
    for script in scripts:
        assert script.stdin is not None
        script.stdin.write("go\n")
        script.stdin.flush()
    answers = [script.communicate(timeout=PROCESS_S)[0].split() for script in scripts]
    winner = answers[0][0]
    assert answers == [[winner] * 10, [winner] * 10]
    assert store.weights(record.id) == winner.encode() * 1000
    assert len(keys(store)) == 2, "nothing of the one who came too late stays"


CONTENDER = """
import os, sys, time
from bansweep.store.store import Store

store = Store(sys.argv[1])
log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
sys.stdin.readline()
for _ in range(8):
    with store.claim("0123456789abcdef") as claim:
        assert claim.acquire(poll_s=0.01)
        os.write(log, f"{os.getpid()} in\\n".encode())
        time.sleep(0.005)
        os.write(log, f"{os.getpid()} out\\n".encode())
"""


def test_processes_that_race_hold_a_claim_one_at_a_time(
    store: Store, tmp_path: Path, start_script: StartScript
) -> None:
    contenders = [start_script(CONTENDER, store.location, tmp_path / "journal") for _ in range(3)]
    for contender in contenders:
        assert contender.stdin is not None
        contender.stdin.write("go\n")
        contender.stdin.flush()
    for contender in contenders:
        contender.communicate(timeout=PROCESS_S)
    assert [contender.returncode for contender in contenders] == [0, 0, 0]
    lines = [line.split() for line in (tmp_path / "journal").read_text().splitlines()]
    for (came, word_in), (left, word_out) in zip(lines[::2], lines[1::2], strict=True):
        assert (word_in, word_out, came) == ("in", "out", left)
    assert len(lines) == 48


def test_progress_is_kept_for_two_epochs_and_damage_falls_back(store: Store) -> None:
    generation_id = "0123456789abcdef"
    for epochs in (1, 2, 3):
        store.save_progress(generation_id, Progress(epochs, b"tensors" * epochs, ()))
    folder = f"progress/{generation_id}"
    assert keys(store) == [f"{folder}/epoch-000002.progress", f"{folder}/epoch-000003.progress"]
    filesystem = fsspec.filesystem("s3", use_listings_cache=False)
    filesystem.pipe_file(f"{store.location}/{folder}/epoch-000003.progress", b"cut")
    loaded = store.load_progress(generation_id)
    assert loaded is not None
    assert loaded.tensors == b"tensors" * 2
    assert store.begun() == {generation_id}
    store.ask_to_stop(generation_id)
    assert store.is_asked_to_stop(generation_id)
    store.withdraw_stop(generation_id)
    assert not store.is_asked_to_stop(generation_id)
    store.clear_progress(generation_id)
    assert keys(store) == []


# What is wrong with a server, or with us


CREATE = """
import sys
from bansweep.errors import StoreError
from bansweep.store.location import store_path

try:
    store_path(sys.argv[1]).create(b"ours")
except StoreError as error:
    print(error)
"""


def test_a_server_that_overwrites_what_is_to_be_created_is_refused(
    s3_settings: dict[str, str], start_script: StartScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server(forgetful=True) as address:
        for name, value in {**s3_settings, "AWS_ENDPOINT_URL": address}.items():
            monkeypatch.setenv(name, value)
        make_bucket(address, "forgetful")
        output, _ = start_script(CREATE, "s3://forgetful/store/file").communicate(timeout=PROCESS_S)
    assert output.startswith("s3://forgetful cannot hold a store: it overwrites objects")


UNREADABLE = """
import sys
from bansweep.errors import StoreError
from bansweep.store.progress import Progress
from bansweep.store.store import Store

store = Store(sys.argv[1])
try:
    store.save_progress("0123456789abcdef", Progress(1, b"", ()))
except StoreError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}, "credentials"),
        ({"BUCKET": "s3://no-such-bucket/store"}, "create its bucket"),
    ],
)
def test_what_is_missing_is_told_with_a_remedy(
    store: Store,
    settings: dict[str, str],
    said: str,
    start_script: StartScript,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    output, _ = start_script(UNREADABLE, settings.get("BUCKET", store.location)).communicate(timeout=PROCESS_S)
    first, remedy = output.splitlines()
    assert first.startswith("cannot write s3://")
    assert said in remedy
