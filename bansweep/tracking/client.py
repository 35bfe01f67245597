"""Opening MLflow's client: quietly, and with short patience. The one place that imports mlflow at run time.

Side effects: imports mlflow (seconds), sets environment variables that the user has not set, adds one warning filter.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

from bansweep.tracking.location import database_file, without_credentials, without_secrets
from bansweep.tracking.new_database import make_database
from bansweep.tracking.refusal import remedy_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # what goes wrong is told in one line, by whoever asked
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout belongs to the command's data
    # MLflow's defaults wait 120 s, seven times. What is missed here is filled in later.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


def open_client(uri: str) -> MlflowClient:
    """A client of the tracking server or database at `uri`. Contacts no server; a database is made where none is."""
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
    """Why MLflow at `uri` could not be told of `sweep`: a remedy or the operating system's word, if there is one."""
    root = _root_of(error)
    words = (root.strerror or str(root)) if isinstance(root, OSError) else str(error)
    line = next((line.strip() for line in words.splitlines() if line.strip()), type(error).__name__)
    said = without_secrets(line, uri)[:300]
    remedy = remedy_of(error, root, sweep)
    return f"MLflow at {without_credentials(uri)}: {f'{remedy}. It says: {said}' if remedy else said}"


def is_refusal(error: BaseException) -> bool:
    """Whether somebody has to do something before it is any use to try again."""
    return remedy_of(error, _root_of(error), "") is not None


def _root_of(error: BaseException) -> BaseException:
    while (deeper := error.__cause__ or (None if error.__suppress_context__ else error.__context__)) is not None:
        error = deeper
    return error
