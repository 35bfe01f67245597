"""Where the tracking server or database of a store is, as an MLflow URI."""

from __future__ import annotations

import os
import re
from pathlib import Path

_SQLITE = "sqlite:///"


def tracking_uri(store_root: Path) -> str:
    """`MLFLOW_TRACKING_URI` where it is set, else a SQLite database inside the store. Never relative."""
    return absolute_uri(os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{store_root.absolute() / 'mlflow.db'}")


def absolute_uri(uri: str) -> str:
    """`uri`, with the path of a SQLite database made absolute: workers change their directory."""
    file = database_file(uri)
    return f"{_SQLITE}{file.absolute()}" if file else uri


def database_file(uri: str) -> Path | None:
    """The file of a SQLite database; None for everything else."""
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


def artifact_location(uri: str, store_root: Path) -> str | None:
    """Where the artifacts of a new experiment go; None leaves it to the server.

    Without a server nobody but the client decides, and MLflow's default is `./mlruns`, wherever that is today.
    """
    return (store_root.absolute() / "mlflow-artifacts").as_uri() if database_file(uri) else None


def without_credentials(text: str) -> str:
    """A URI, or text that quotes one, as it may be shown and written down: user, password and token hidden."""
    return re.sub(r"://[^/@\s]+@", "://***@", text)
