"""A database is there whole or not at all; killed processes and other sweeps included."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from patience import PROCESS_S, wait_for
from planted import link_to_endless_zeros, named_pipe, put

from bansweep.tracking.client import make_database, open_client


def fill(path: Path, *statements: str) -> None:
    tables = sqlite3.connect(path)
    for statement in ("CREATE TABLE experiments (name)", *statements):
        tables.execute(statement)
    tables.commit()
    tables.close()


def initialise(uri: str) -> None:
    fill(Path(uri.removeprefix("sqlite:///")), "INSERT INTO experiments VALUES ('new')")


def names_in(file: Path) -> list[str]:
    tables = sqlite3.connect(file)
    names = [name for (name,) in tables.execute("SELECT name FROM experiments")]
    tables.close()
    return names


def test_a_database_is_made_where_there_is_none(tmp_path: Path) -> None:
    make_database(tmp_path / "store" / "mlflow.db", initialise)

    assert names_in(tmp_path / "store" / "mlflow.db") == ["new"]
    assert os.listdir(tmp_path / "store") == ["mlflow.db"]


@pytest.mark.parametrize("kind", [named_pipe, link_to_endless_zeros])
def test_what_is_no_file_is_no_database(kind: Callable[[Path], None], tmp_path: Path) -> None:
    put(kind, tmp_path / "mlflow.db")
    script = """if True:
        import sys, os, time
        from pathlib import Path
        from bansweep.tracking import client as new_database
        new_database._ABANDONED_S = -1.0  # as one that was left by a process that died long ago
        try:
            new_database.make_database(Path(sys.argv[1]), print)
        except OSError as error:
            print(error.strerror)
    """
    arguments = [sys.executable, "-c", script, str(tmp_path / "mlflow.db")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=PROCESS_S)
    assert done.stdout.endswith("is there, not a regular file\n"), done.stderr


def test_one_that_is_there_stays(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    fill(file, "INSERT INTO experiments VALUES ('old')")
    os.utime(file, (0, 0))

    make_database(file, initialise)

    assert names_in(file) == ["old"]


@pytest.mark.parametrize("other_links", [True, False])
def test_one_that_another_process_puts_there_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other_links: bool
) -> None:
    file = tmp_path / "mlflow.db"
    if not other_links:
        monkeypatch.setattr(os, "link", refuse_link)

    def initialise_late(uri: str) -> None:
        initialise(uri)
        fill(file, "INSERT INTO experiments VALUES ('theirs')")

    make_database(file, initialise_late)

    assert names_in(file) == ["theirs"]


def refuse_link(*_: object) -> None:
    raise PermissionError("no hard links here")


def test_without_hard_links_it_is_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", refuse_link)

    make_database(tmp_path / "mlflow.db", initialise)

    assert names_in(tmp_path / "mlflow.db") == ["new"]


@pytest.mark.parametrize(("age_s", "names"), [(3600, ["new"]), (0, [])])
def test_one_that_was_left_half_made_is_replaced_and_one_that_is_being_made_is_not(
    tmp_path: Path, age_s: float, names: list[str]
) -> None:
    file = tmp_path / "mlflow.db"
    fill(file)
    os.utime(file, (time.time() - age_s, time.time() - age_s))

    make_database(file, initialise)

    assert names_in(file) == names


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail(uri: str) -> None:
        initialise(uri)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        make_database(tmp_path / "mlflow.db", fail)

    assert os.listdir(tmp_path) == []


OPEN = "import sys; from bansweep.tracking.client import open_client; open_client(sys.argv[1]).search_experiments()"


def test_a_process_that_is_killed_while_mlflow_makes_its_tables_breaks_nothing(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", OPEN, f"sqlite:///{file}"], env=environment) as process:
        try:
            wait_for(lambda: any(one.stat().st_size for one in tmp_path.rglob("*.db")))
        finally:
            process.kill()

    [experiment] = open_client(f"sqlite:///{file}").search_experiments()

    assert experiment.name == "Default"
