"""Crashes and disks that fail while something is written leave nothing half-done, and are told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from patience import PROCESS_S

from bansweep.errors import StoreError
from bansweep.graph.results import EpochReport
from bansweep.store.parquet_tables import Predictions
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store

CRASHES = """
import os, sys
from pathlib import Path
from bansweep.store.layout import Layout
from bansweep.store.local_path import LocalPath
from bansweep.store.publishing import publish
from bansweep.store.records import GenerationRecord

folder, record = Path(sys.argv[1]), GenerationRecord.model_validate_json(sys.argv[2])
contents = {name: name.encode() * 1000 for name in ("weights.safetensors", "history.parquet", "predictions.parquet")}

def crash_at(call):
    calls = 0
    def hook(event, arguments):
        nonlocal calls
        if event == "open" or event.startswith(("os.", "shutil.")):
            calls += 1
            if calls > call:
                os._exit(9)
    sys.addaudithook(hook)

call, status = 0, 9
while status == 9:
    child = os.fork()
    if child == 0:
        crash_at(call)
        publish(Layout(LocalPath(folder / str(call))), record, contents)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(call, status)
    call += 1
"""


def test_a_crash_at_any_call_while_publishing_leaves_all_or_nothing(
    tmp_path: Path,
    record: GenerationRecord,
    weights: bytes,
    history: tuple[EpochReport, ...],
    predictions: Predictions,
    start_script: Callable[..., subprocess.Popen[str]],
) -> None:
    script = start_script(CRASHES, tmp_path, record.model_dump_json())
    output, _ = script.communicate(timeout=PROCESS_S)
    statuses = [tuple(map(int, line.split())) for line in output.splitlines()]
    *crashed, (_, last_status) = statuses
    assert last_status == 0
    finished_after = []
    for call, _ in crashed:
        store = Store(tmp_path / str(call))
        finished = store.finished([record.id])
        finished_after.append(bool(finished))
        if finished:
            assert store.weights(record.id) == b"weights.safetensors" * 1000
        else:
            assert store.record(record.id) is None
            store.publish(record, weights=weights, history=history, predictions=predictions)
            assert store.weights(record.id) == weights
            assert store.history(record.id) == history
    # Four files, at least two folders and the rename come before it is finished, and then it stays so.
    assert finished_after.index(True) >= 7
    assert finished_after == sorted(finished_after)


def test_what_crashed_publishers_left_goes_after_an_hour(
    store: Store, record: GenerationRecord, history: tuple[EpochReport, ...], predictions: Predictions
) -> None:
    old, fresh = (store.directory / "generations" / f".publishing-{record.id}-{name}" for name in ("old", "fresh"))
    for folder in (old, fresh):
        folder.mkdir(parents=True)
        (folder / "weights.safetensors").write_bytes(b"half")
    two_hours_ago = old.stat().st_mtime - 7200
    os.utime(old, (two_hours_ago, two_hours_ago))
    store.publish(record, weights=b"w", history=history, predictions=predictions)
    assert {path.name for path in (store.directory / "generations").iterdir()} == {record.id, fresh.name}


PUBLISH_AND_REPORT = """
import resource, sys
from pathlib import Path
from bansweep.errors import StoreError
from bansweep.store.layout import Layout
from bansweep.store.local_path import LocalPath
from bansweep.store.progress import Progress
from bansweep.store.publishing import publish
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store

store, record = Store(Path(sys.argv[1])), GenerationRecord.model_validate_json(sys.argv[2])
if len(sys.argv) > 3:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
weights = {"weights.safetensors": bytes(1 << 20)}
for write in (
    lambda: publish(Layout(LocalPath(store.directory)), record, weights),
    lambda: store.save_progress(record.id, Progress(1, bytes(1 << 20), ())),
):
    try:
        write()
        print("written")
    except StoreError as error:
        print(error.cause, error.remedy, sep=" | ")
print(sorted(store.finished([record.id])), store.epochs_done(record.id))
for folder in ("generations", "progress/" + record.id):
    path = store.directory / folder
    print([entry.name for entry in path.iterdir()] if path.exists() else [])
"""


def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, record: GenerationRecord, start_script: Callable[..., subprocess.Popen[str]]
) -> None:
    script = start_script(PUBLISH_AND_REPORT, tmp_path / "store", record.model_dump_json(), 64 * 1024)
    publishing, progress, *rest = script.communicate(timeout=PROCESS_S)[0].splitlines()
    assert "weights.safetensors: File too large | " in publishing
    assert "epoch-000001.progress: File too large | " in progress
    assert rest == ["[] 0", "[]", "[]"]


@pytest.mark.parametrize(
    ("options", "reason"), [("size=200k", "No space left on device"), ("ro", "Read-only file system")]
)
def test_a_disk_that_cannot_take_it_is_told(
    tmp_path: Path, record: GenerationRecord, options: str, reason: str
) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = f"mount -t tmpfs -o {options} tmpfs '{disk}' || exit 77; exec \"$@\""
    arguments = ["-c", PUBLISH_AND_REPORT, str(disk / "store"), record.model_dump_json()]
    finished = subprocess.run(
        ["unshare", "-m", "sh", "-c", mounted, "sh", sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=PROCESS_S,
    )
    if finished.returncode in (1, 77) and not finished.stdout:
        pytest.skip("mounting a file system is not permitted here")
    publishing, progress, *rest = finished.stdout.splitlines()
    for line in (publishing, progress):
        assert str(disk) in line
        assert reason in line
        assert "--store" in line
    assert rest == ["[] 0", "[]", "[]"]


def test_a_root_that_is_a_file_is_told(
    tmp_path: Path, record: GenerationRecord, history: tuple[EpochReport, ...], predictions: Predictions
) -> None:
    (tmp_path / "file").write_text("not a store")
    store = Store(tmp_path / "file")
    with pytest.raises(StoreError, match="a store is a directory"):
        store.publish(record, weights=b"", history=history, predictions=predictions)
