"""Opens MLflow's client quietly and with short timeouts. The only module that imports mlflow at run time.

MLflow creates its tables and migrates them in dozens of steps, which take seconds. A process killed meanwhile, or two
that do so at once, would leave a database that MLflow refuses for ever. `make_database` therefore creates it
atomically.

Side effects: imports mlflow (seconds), sets environment variables that the user has not set, adds one warning filter.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import ssl
import tempfile
import time
import warnings
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from bansweep.regular_file import open_regular
from bansweep.tracking.tracking_uri import database_file, without_credentials, without_secrets

if TYPE_CHECKING:
    from mlflow import MlflowClient


_WRONG_HOST = "Invalid Host header"  # what MLflow's own middleware answers

_ABANDONED_S = 60.0  # an incomplete database without writes for so long was abandoned

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # errors are reported in one line by the caller
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout belongs to the command's data
    # MLflow's defaults wait 120 s, seven times. What is not sent is backfilled later.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


def open_client(uri: str) -> MlflowClient:
    """A client of the tracking server or database at `uri`. Contacts no server; creates a missing database."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # MLflow 3.17 asks SQLAlchemy 2.1 for a loader that it deprecates. `catch_warnings` is not safe in threads.
    warnings.filterwarnings(
        "ignore", message="The ``noload`` loader strategy is deprecated", category=DeprecationWarning
    )
    from mlflow import MlflowClient

    file = database_file(uri)
    if file is not None:
        make_database(file, lambda new_uri: _initialise(MlflowClient(tracking_uri=new_uri)))
    return MlflowClient(tracking_uri=uri)


def _initialise(client: MlflowClient) -> None:
    client.search_experiments(max_results=1)


def in_one_line(error: BaseException, uri: str, sweep: str = "") -> str:
    """Why MLflow at `uri` does not have `sweep`: a remedy or the operating system's message, if there is one."""
    root = _root_of(error)
    words = (root.strerror or str(root)) if isinstance(root, OSError) else str(error)
    line = next((line.strip() for line in words.splitlines() if line.strip()), type(error).__name__)
    message = without_secrets(line, uri)[:300]
    remedy = remedy_of(error, root, sweep)
    return f"MLflow at {without_credentials(uri)}: {f'{remedy}. It says: {message}' if remedy else message}"


def is_refusal(error: BaseException) -> bool:
    """Whether retrying is useless until a user acts."""
    return remedy_of(error, _root_of(error), "") is not None


def remedy_of(error: BaseException, root: BaseException, sweep: str) -> str | None:
    """What MLflow refused to `sweep`, and the remedy; None if `error`, with the root cause `root`, is no refusal."""
    if isinstance(root, ssl.SSLCertVerificationError):
        return "its certificate is not trusted; MLFLOW_TRACKING_SERVER_CERT_PATH names a file of those that are"
    match _status_of(error):
        case HTTPStatus.UNAUTHORIZED:
            return (
                "not logged in (401): MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
                "or MLFLOW_TRACKING_TOKEN, are missing or wrong"
            )
        case HTTPStatus.FORBIDDEN if _WRONG_HOST in str(error):
            return "it does not go by this name (403): start it with --allowed-hosts that include this name and port"
        case HTTPStatus.FORBIDDEN:
            return (
                f"no permission (403) for the experiment {sweep!r}: have its owner grant you MANAGE, "
                "or give the sweep another name"
            )
        case _:
            return None


def _status_of(error: BaseException) -> int | None:
    """The HTTP status of MLflow's own exceptions (the API) and of those of requests (artifacts)."""
    ask = getattr(error, "get_http_status_code", None)
    if ask is not None:
        return int(ask())
    return getattr(getattr(error, "response", None), "status_code", None)


def _root_of(error: BaseException) -> BaseException:
    while (deeper := error.__cause__ or (None if error.__suppress_context__ else error.__context__)) is not None:
        error = deeper
    return error


def make_database(file: Path, initialise: Callable[[str], None]) -> None:
    """Creates a SQLite database with MLflow's tables atomically.

    `initialise` creates the tables in the database at the URI it is given. If two processes do this at once, one
    database stays. A database without tables, which a dead process left, is replaced. Raises OSError where `file` is
    not a regular file.
    """
    if file.exists():
        # SQLite would wait for the writer of a named pipe for ever.
        open_regular(file).close()
    is_abandoned = file.exists() and _is_abandoned(file)
    if file.exists() and not is_abandoned:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:
        built, copy = Path(folder) / "built.db", Path(folder) / "copy.db"
        initialise(f"sqlite:///{built}")
        # MLflow keeps the database that it created open.
        shutil.copyfile(built, copy)
        if is_abandoned:
            file.with_name(f"{file.name}-journal").unlink(missing_ok=True)
            copy.replace(file)
        else:
            _link_or_move(copy, file)


def _link_or_move(copy: Path, file: Path) -> None:
    """Moves `copy` to `file`, unless another process has just created it."""
    with contextlib.suppress(FileExistsError):
        try:
            os.link(copy, file)
        except FileExistsError:
            raise
        except OSError:
            # A file system without hard links: two processes at the same moment then overwrite each other.
            if not file.exists():
                copy.replace(file)


def _is_abandoned(file: Path) -> bool:
    """Whether it lacks the experiment that MLflow adds last, and no process is adding it."""
    if time.time() - file.stat().st_mtime < _ABANDONED_S and file.stat().st_size:
        return False
    with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as tables:
        try:
            return tables.execute("SELECT 1 FROM experiments LIMIT 1").fetchone() is None
        except sqlite3.OperationalError as error:
            return "no such table" in str(error)
