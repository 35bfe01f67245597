"""`bansweep ui`: MLflow's UI on the store's tracking database."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated

import typer

from bansweep.cli.exit_status import ExitStatus
from bansweep.cli.local_folder import local_folder
from bansweep.cli.options import DEFAULT_STORE, StoreLocation
from bansweep.errors import RequestError
from bansweep.store.store import Store
from bansweep.tracking.location import database_file, tracking_uri, without_credentials


def ui(
    store: StoreLocation = DEFAULT_STORE,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="The port to listen on.")] = 5000,
) -> None:
    """bansweep ui: compare sweeps in MLflow, at http://127.0.0.1:5000. Ctrl-C ends it.

    Example: bansweep ui --store ~/networks --port 5001
    """
    uri = tracking_uri(local_folder(Store(store)))
    if uri.startswith(("http://", "https://")):
        typer.echo(f"MLflow runs at {without_credentials(uri)}; open that in a browser")
        return
    database = database_file(uri)
    # MLflow would create an empty database wherever a mistyped name points.
    if database is not None and not database.parent.is_dir():
        raise RequestError(
            f"no store at {database.parent}",
            remedy="--store STORE names one that bansweep run has written to",
        )
    # The consumers of MLflow's job queue, which nothing here uses, are ten processes.
    # In the environment, as a command line is everyone's to read (`ps`), and the URI may hold a password.
    environment = {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [sys.executable, "-m", "mlflow", "ui", "--host", host, "--port", str(port)]
    try:
        returncode = subprocess.run(command, env=environment, check=False).returncode
    except KeyboardInterrupt:
        raise typer.Exit(ExitStatus.DONE) from None
    typer.echo("bansweep: MLflow's UI ended by itself; what it printed above says why", err=True)
    raise typer.Exit(_exit_status(returncode))


def _exit_status(returncode: int) -> int:
    """MLflow's own status; a server that ends unasked has failed, though MLflow may say 0."""
    return 128 - returncode if returncode < 0 else returncode or ExitStatus.FAILED
