"""Making a SQLite database whole or not at all.

MLflow creates its tables and then changes them, for seconds, in dozens of steps. A process that is killed meanwhile, or
two that do it at once, leave a database that MLflow refuses for ever.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bansweep.regular_file import open_regular

_ABANDONED_S = 60.0  # a database that is not ready and that nobody has written to for so long


def make_database(file: Path, initialise: Callable[[str], None]) -> None:
    """Have MLflow's tables in the database `file` before anybody opens it.

    `initialise` makes them in a database that it is given the URI of. Of two processes that do this at once, one's
    database stays. One that was left without them by a process that died, and so holds nothing, is replaced. Raises
    OSError where something else than a file is there.
    """
    if file.exists():
        # SQLite would wait for the writer of a named pipe, for ever.
        open_regular(file).close()
    is_left_over = file.exists() and _is_left_over(file)
    if file.exists() and not is_left_over:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:
        built, copy = Path(folder) / "built.db", Path(folder) / "copy.db"
        initialise(f"sqlite:///{built}")
        # MLflow keeps the one open that it has made.
        shutil.copyfile(built, copy)
        if is_left_over:
            file.with_name(f"{file.name}-journal").unlink(missing_ok=True)
            copy.replace(file)
        else:
            _put(copy, file)


def _put(copy: Path, file: Path) -> None:
    """Move `copy` to `file`, unless another process has just put its own there."""
    with contextlib.suppress(FileExistsError):
        try:
            os.link(copy, file)
        except FileExistsError:
            raise
        except OSError:
            # A file system without hard links: two at the same moment are then not told apart.
            if not file.exists():
                copy.replace(file)


def _is_left_over(file: Path) -> bool:
    """Whether it lacks the experiment that MLflow adds last of all, and nobody is about to add it."""
    if time.time() - file.stat().st_mtime < _ABANDONED_S and file.stat().st_size:
        return False
    with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as tables:
        try:
            return tables.execute("SELECT 1 FROM experiments LIMIT 1").fetchone() is None
        except sqlite3.OperationalError as error:
            return "no such table" in str(error)
