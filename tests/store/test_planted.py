"""A planted store can make commands fail, but it cannot make them hang, loop or leave the store."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from patience import PROCESS_S
from planted import IN_PLACE_OF_A_FILE, named_pipe, put, rewritten
from planted import folder as folder_there

from bansweep.errors import DamagedError, StoreError
from bansweep.graph.results import EpochReport
from bansweep.store.claims import Claim, ProcessIdentity
from bansweep.store.local_path import LocalPath
from bansweep.store.parquet_tables import Predictions
from bansweep.store.progress import Progress
from bansweep.store.records import GenerationRecord
from bansweep.store.spending_ledger import SpendingLedger
from bansweep.store.store import Store

ID = "0123456789abcdef"
Kind = Callable[[Path], None]

# In a process of its own: a reader that waits for a pipe's writer is not interrupted by anything less.
SCRIPT = """
import sys
from bansweep.errors import StoreError
from bansweep.store.spending_ledger import SpendingLedger
from bansweep.store.store import Store

store, use, argument = Store(sys.argv[1]), sys.argv[2], sys.argv[3]
try:
    match use:
        case "others":
            print(SpendingLedger(store, argument).others())
        case "claim":
            print(store.claim(argument).acquire(wait=False))
        case "begin_attempt":
            print(store.begin_attempt(argument, "run"))
        case _:
            print(getattr(store, use)(argument))
except StoreError as error:
    print(type(error).__name__, error.cause)
"""


def answer(store: Store, use: str, argument: str) -> str:
    """What a method of the store says, within a time in which it reads no endless file."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(store.directory), use, argument],
        capture_output=True,
        text=True,
        timeout=PROCESS_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def published(
    store: Store,
    record: GenerationRecord,
    weights: bytes,
    history: tuple[EpochReport, ...],
    predictions: Predictions,
) -> GenerationRecord:
    return store.publish(record, weights=weights, history=history, predictions=predictions)


def place_of(store: Store, generation_id: str, name: str = "generation.json") -> Path:
    assert store.directory is not None
    return store.directory / "generations" / generation_id / name


@pytest.mark.parametrize("kind", IN_PLACE_OF_A_FILE)
@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("generation.json", "record"),
        ("weights.safetensors", "weights"),
        ("history.parquet", "history"),
        ("predictions.parquet", "predictions"),
    ],
)
def test_what_is_no_file_of_a_generation_is_damage(
    store: Store, published: GenerationRecord, kind: Kind, name: str, use: str
) -> None:
    path = place_of(store, published.id, name)
    put(kind, path)
    said = answer(store, use, published.id)
    assert said.startswith(f"DamagedError cannot read {path}: "), said


def test_a_generation_with_a_pipe_in_it_is_set_aside(store: Store, published: GenerationRecord) -> None:
    put(named_pipe, place_of(store, published.id))
    [cause] = store.set_aside_damaged({published.id: published.generation}).values()
    assert "a named pipe is there, not a regular file; set aside as " in cause
    assert store.finished([published.id]) == frozenset()


@pytest.mark.parametrize("kind", IN_PLACE_OF_A_FILE)
def test_progress_that_is_no_file_falls_back_to_the_epoch_before(store: Store, kind: Kind) -> None:
    store.save_progress(ID, Progress(1, b"tensors", ()))
    assert store.directory is not None
    put(kind, store.directory / "progress" / ID / "epoch-000002.progress")
    assert "Progress(epochs_done=1, tensors=b'tensors'" in answer(store, "load_progress", ID)


@pytest.mark.parametrize(
    "name", ["epoch-\u0660\u0660\u0660\u0660\u0660\u0663.progress", "epoch-0000003.progress", "epoch-3.progress"]
)
def test_other_spellings_of_an_epoch_are_no_progress(store: Store, name: str) -> None:
    assert store.directory is not None
    put(lambda path: path.write_bytes(b""), store.directory / "progress" / ID / name)
    assert answer(store, "load_progress", ID) == "None\n"
    assert store.epochs_done(ID) == 0


def test_progress_of_another_epoch_is_damaged(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.save_progress(ID, Progress(2, b"tensors", ()))
    assert store.directory is not None
    folder = store.directory / "progress" / ID
    (folder / "epoch-000002.progress").rename(folder / "epoch-000007.progress")
    with caplog.at_level(logging.WARNING, logger="bansweep.store"):
        assert store.load_progress(ID) is None
    assert "it holds epoch 2" in caplog.text


@pytest.mark.parametrize("kind", IN_PLACE_OF_A_FILE)
def test_notes_that_are_no_files_say_nothing(store: Store, kind: Kind) -> None:
    assert store.directory is not None
    folder = store.directory / "progress" / ID
    put(kind, folder / "search.json")
    assert answer(store, "search_counts", ID) == "{}\n"
    put(kind, folder / "attempts.json")
    # The note is then written, which a folder prevents.
    told = f"StoreError cannot write {folder / 'attempts.json'}: Is a directory\n"
    assert answer(store, "begin_attempt", ID) == (told if kind is folder_there else "1\n")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"drawn": 1e999}', '{"drawn": {}}', "null"])
def test_notes_of_others_say_nothing(store: Store, text: str) -> None:
    assert store.directory is not None
    put(lambda path: path.write_text(text), store.directory / "progress" / ID / "search.json")
    assert store.search_counts(ID) == {}
    place = json.dumps({"place": {"run": "run", "epochs_done": 0}, "attempts": 0})
    attempts = text if text[0] != "{" else place.replace('"attempts": 0', '"attempts": 1e999')
    put(lambda path: path.write_text(attempts), store.directory / "progress" / ID / "attempts.json")
    assert store.begin_attempt(ID, "run") == 1


@pytest.mark.parametrize("kind", IN_PLACE_OF_A_FILE)
def test_a_ledger_that_is_no_file_is_named(store: Store, kind: Kind) -> None:
    assert store.directory is not None
    path = store.directory / "sweeps" / "sweep" / "spent" / "x.json"
    put(kind, path)
    assert answer(store, "others", "sweep").startswith(f"StoreError cannot read {path}: ")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"device_hours": {"a": Infinity}}', "1e400"])
def test_hours_that_are_no_numbers_are_not_counted(store: Store, text: str) -> None:
    assert store.directory is not None
    put(lambda path: path.write_text(text), store.directory / "sweeps" / "sweep" / "spent" / "x.json")
    with pytest.raises(StoreError, match=r"x\.json"):
        SpendingLedger(store, "sweep").others()


@pytest.mark.parametrize("kind", IN_PLACE_OF_A_FILE)
def test_a_lease_that_is_no_file_goes_stale(store: Store, kind: Kind) -> None:
    assert store.directory is not None
    folder = store.directory / "claims" / ID
    put(kind, folder / "1.json")
    assert answer(store, "claim", ID) == "False\n"
    deadline = time.monotonic() + PROCESS_S
    with Claim(LocalPath(folder), stale_s=0.05) as claim:
        assert claim.acquire(poll_s=0.01, until=lambda: time.monotonic() > deadline)


@pytest.mark.parametrize(
    "process",
    [
        {"host": "HOST", "pid": "../..FOLDER", "started": 1},
        {"host": "HOST", "pid": "x", "started": None},
        {"host": "HOST", "pid": -1, "started": None},
        {"host": "HOST", "pid": 10**30, "started": None},
        {"host": "HOST", "pid": True, "started": None},
        {"host": "HOST", "pid": 1.5, "started": 1},
        {"host": ["HOST"], "pid": 1, "started": 1},
    ],
)
def test_a_lease_of_no_process_goes_stale(tmp_path: Path, process: dict[str, object]) -> None:
    """The number of a process becomes part of a path below /proc, where a pipe must not be found."""
    put(named_pipe, tmp_path / "trap" / "stat")
    text = json.dumps({"owner": "x", "process": process, "heartbeat": 0, "released": False})
    text = text.replace("HOST", ProcessIdentity.current().host).replace("FOLDER", str(tmp_path / "trap"))
    folder = tmp_path / "store" / "claims" / ID
    put(lambda path: path.write_text(text), folder / "1.json")
    assert answer(Store(tmp_path / "store"), "claim", ID) == "False\n"
    deadline = time.monotonic() + PROCESS_S
    with Claim(LocalPath(folder), stale_s=0.05) as claim:
        assert claim.acquire(poll_s=0.01, until=lambda: time.monotonic() > deadline)


def test_a_lease_of_a_huge_number_costs_no_time(store: Store, start_script: Callable[..., object]) -> None:
    assert store.directory is not None
    folder = store.directory / "claims" / ID
    lease = {"owner": "x", "process": {"host": "h", "pid": 1, "started": 1}, "heartbeat": 0, "released": True}
    put(lambda path: path.write_text(json.dumps(lease)), folder / f"{10**20}.json")
    code = """if True:
        import sys
        from pathlib import Path
        from bansweep.store.claims import Claim
        from bansweep.store.local_path import LocalPath
        with Claim(LocalPath(Path(sys.argv[1])), finished=lambda: True) as claim:
            assert claim.acquire(wait=False)
    """
    process = start_script(code, folder)
    assert isinstance(process, subprocess.Popen)
    try:
        process.communicate(timeout=PROCESS_S)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert not folder.exists()


@pytest.mark.parametrize("name", ["\u0661.json", "01.json", "1.json\n"])
def test_other_spellings_of_a_number_are_no_lease(store: Store, name: str) -> None:
    assert store.directory is not None
    put(lambda path: path.write_text("{}"), store.directory / "claims" / ID / name)
    with store.claim(ID) as claim:
        assert claim.acquire(wait=False)


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "", ".", "notes.txt", "weights.safetensors\n"])
def test_a_record_names_files_of_its_own_alone(store: Store, published: GenerationRecord, name: str) -> None:
    assert store.directory is not None
    (store.directory / "secret").write_text("")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    rewritten(place_of(store, published.id), {name: empty}, beneath="digests")
    with pytest.raises(StoreError, match="is no file of a generation"):
        store.record(published.id)


@pytest.mark.parametrize("folder", ["..", "../..", "/tmp", "a/b", "a\n", "a b", "x" * 81])
def test_a_record_names_a_folder_below_its_own_alone(store: Store, published: GenerationRecord, folder: str) -> None:
    rewritten(place_of(store, published.id), {"folder": folder})
    with pytest.raises(StoreError, match="folder"):
        store.record(published.id)


@pytest.mark.parametrize("folder", ["0" * 32, "a-b"])
def test_a_record_may_name_a_folder_below_its_own(store: Store, published: GenerationRecord, folder: str) -> None:
    file = place_of(store, published.id)
    rewritten(file, {"folder": folder})
    (file.parent / folder).mkdir()
    for name in ("weights.safetensors", "history.parquet", "predictions.parquet"):
        (file.parent / name).rename(file.parent / folder / name)
    assert store.history(published.id)


@pytest.mark.parametrize("winner", [0, -1, 1])
def test_a_winner_that_is_no_candidate_is_refused(store: Store, published: GenerationRecord, winner: int) -> None:
    rewritten(place_of(store, published.id), {"winner": winner})
    with pytest.raises(StoreError, match="cannot be the winner"):
        store.record(published.id)


@pytest.mark.parametrize("change", [{"teacher": "f" * 16}, {"seed": 7}, {"precision": "bf16"}])
def test_a_record_of_other_content_than_its_id_is_damage(
    store: Store, published: GenerationRecord, change: dict[str, object]
) -> None:
    rewritten(place_of(store, published.id), change, beneath="generation")
    with pytest.raises(DamagedError, match="does not match its id"):
        store.record(published.id)
    assert list(store.set_aside_damaged({published.id: published.generation})) == [published.id]


def test_a_record_that_is_its_own_teacher_is_damage(store: Store, published: GenerationRecord) -> None:
    rewritten(place_of(store, published.id), {"teacher": published.id}, beneath="generation")
    with pytest.raises(DamagedError, match="does not match its id"):
        store.record(published.id)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_no_generation_descends_from_itself(
    store: Store, record: GenerationRecord, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where hashes hold, which are 64 bits long."""
    ids = [f"{number:016x}" for number in range(length)]
    records = {
        one: record.model_copy(
            update={"id": one, "generation": record.generation.model_copy(update={"teacher": ids[number - 1]})}
        )
        for number, one in enumerate(ids)
    }
    monkeypatch.setattr(store, "record", records.get)
    for one in ids:
        with pytest.raises(StoreError, match=f"circular teachers.*generation {one} descends from itself"):
            store.lineage(records[one])


def test_a_lineage_begins_with_the_first_that_is_known(
    store: Store,
    record: GenerationRecord,
    history: tuple[EpochReport, ...],
    predictions: Predictions,
) -> None:
    published = [record]
    for index in range(2, 5):
        fields = {**record.generation.model_dump(), "teacher": published[-1].id, "generation_index": index}
        generation = type(record.generation)(**fields)
        published.append(record.model_copy(update={"id": generation.id, "generation": generation}))
    for one in published:
        store.publish(one, weights=b"", history=history, predictions=predictions)
    # The teacher of the first is not in this store.
    assert [one.id for one in store.lineage(published[-1])] == [one.id for one in published]
    store.remove(published[1].id)
    assert [one.id for one in store.lineage(published[-1])] == [one.id for one in published[2:]]


@pytest.mark.parametrize(("name", "use"), [("history.parquet", "history"), ("predictions.parquet", "predictions")])
@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" * 100])
def test_what_is_no_parquet_though_its_digest_holds_is_damage(
    store: Store, published: GenerationRecord, name: str, use: str, content: bytes
) -> None:
    import hashlib

    place_of(store, published.id, name).write_bytes(content)
    rewritten(place_of(store, published.id), {name: hashlib.sha256(content).hexdigest()}, beneath="digests")
    with pytest.raises(DamagedError, match=f"{name} of .* cannot be read") as raised:
        getattr(store, use)(published.id)
    assert "\n" not in raised.value.cause
