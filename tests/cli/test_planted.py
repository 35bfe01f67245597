"""Commands on a planted store or sweep end, with one or two lines of cause and remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from demo_sweep import Command, ids_of, plan_of
from made_up_generation import publish_made_up
from planted import link_to_endless_zeros, named_pipe, put, rewritten

from bansweep.store.store import Store

# A command that hangs is ended after this time; one that starts on a busy machine is not.
_PATIENCE_S = 120


@pytest.fixture
def store(tmp_path: Path, sweep_file: Path) -> Store:
    """All four generations are finished."""
    plan = plan_of(sweep_file)
    store = Store(tmp_path / "store")
    for generation_id, generation in plan.generations.items():
        publish_made_up(store, generation, label=plan.label(generation_id), metrics={"test_error": 1.0})
    return store


@pytest.fixture
def ids(sweep_file: Path) -> dict[str, str]:
    return ids_of(plan_of(sweep_file))


def record_file(store: Store, generation_id: str) -> Path:
    assert store.directory is not None
    return store.directory / "generations" / generation_id / "generation.json"


def said(start: Command, *arguments: object) -> tuple[int, str]:
    """The exit status of a command, and all that it prints."""
    process = start(*arguments)
    try:
        out, err = process.communicate(timeout=_PATIENCE_S)
    finally:
        process.kill()
        process.communicate()
    assert "Traceback" not in err, err
    return process.returncode, out + err


@pytest.mark.parametrize("length", [1, 2])
def test_teachers_in_a_circle_end_every_command(
    start: Command, store: Store, ids: dict[str, str], sweep_file: Path, tmp_path: Path, length: int
) -> None:
    """A generation that is its own teacher, and two that teach each other; the digests of their records hold."""
    # ban teaches ban-2 anyway.
    ban, other = ids["ban"], ids["ban"] if length == 1 else ids["ban-2"]
    rewritten(record_file(store, ban), {"teacher": other}, beneath="generation")
    here = ("--store", store.directory)
    for arguments in (
        ("show", ban, *here),
        ("show", other, *here),
        ("diff", other, ids["cwtm"], *here),
        ("export", ban, "--to", tmp_path / "exported", *here),
    ):
        status, text = said(start, *arguments)
        assert status == 1, text
        assert f"{record_file(store, ban)} does not match its id" in text
        assert len(text.splitlines()) <= 3, text
    status, text = said(start, "report", sweep_file, *here)
    assert status == 0, text
    # Long lines are broken.
    assert " ".join(text.split()).count("does not match its id") == 1
    status, text = said(start, "status", sweep_file, *here)
    assert status == 0, text
    assert "1 damaged" in text
    assert not (tmp_path / "exported").exists()


@pytest.mark.parametrize("kind", [named_pipe, link_to_endless_zeros])
def test_a_record_that_never_ends_ends_every_command(
    start: Command, store: Store, ids: dict[str, str], sweep_file: Path, kind: Callable[[Path], None]
) -> None:
    put(kind, record_file(store, ids["ban"]))
    here = ("--store", store.directory)
    status, text = said(start, "show", ids["ban"], *here)
    assert status == 1, text
    assert f"cannot read {record_file(store, ids['ban'])}: a " in text
    status, text = said(start, "status", sweep_file, *here)
    assert (status, "1 damaged" in text) == (0, True), text
    status, text = said(start, "report", sweep_file, *here)
    assert status == 0, text
    assert " ".join(text.split()).count("not a regular file; the next bansweep run") == 1


@pytest.mark.parametrize("kind", [named_pipe, link_to_endless_zeros])
def test_a_sweep_that_never_ends_is_refused(start: Command, tmp_path: Path, kind: Callable[[Path], None]) -> None:
    sweep = tmp_path / "sweep.yaml"
    put(kind, sweep)
    for command in ("check", "plan", "status", "report"):
        status, text = said(start, command, sweep)
        assert status == 2, text
        assert "not a regular file" in text
        assert len(text.splitlines()) <= 2


@pytest.mark.parametrize("kind", [named_pipe, link_to_endless_zeros])
def test_user_code_that_never_ends_is_refused(
    start: Command, sweep_file: Path, tmp_path: Path, kind: Callable[[Path], None]
) -> None:
    put(kind, tmp_path / "own.py")
    sweep_file.write_text(sweep_file.read_text().replace("{loss: cwtm,", "{loss: {kind: python, code: 'own.py:loss'},"))
    status, text = said(start, "check", sweep_file)
    assert status == 2, text
    assert f"{tmp_path / 'own.py'} cannot be read: a " in text


@pytest.mark.parametrize("kind", [named_pipe, link_to_endless_zeros])
def test_a_database_that_is_no_file_is_refused(start: Command, store: Store, kind: Callable[[Path], None]) -> None:
    assert store.directory is not None
    put(kind, store.directory / "mlflow.db")
    status, text = said(start, "ui", "--store", store.directory)
    assert status == 2, text
    assert "mlflow.db: a " in text
    assert "not a regular file" in text


@pytest.mark.parametrize("kind", [named_pipe, link_to_endless_zeros])
@pytest.mark.parametrize("name", ["mlflow.db", "sweeps/demo/tracking.json"])
def test_tracking_files_that_are_none_end_a_sync(
    start: Command, store: Store, sweep_file: Path, kind: Callable[[Path], None], name: str
) -> None:
    assert store.directory is not None
    put(kind, store.directory / name)
    status, text = said(start, "sync", sweep_file, "--store", store.directory)
    if name == "mlflow.db":
        assert status == 1, text
        assert "not a regular file" in text
    else:
        assert status == 0, text
