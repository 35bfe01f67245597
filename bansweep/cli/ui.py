"""`bansweep ui`: MLflow's UI on the store's tracking database."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated

import typer

from bansweep.cli.options import DEFAULT_STORE, StoreFolder
from bansweep.tracking.location import tracking_uri


def ui(
    store: StoreFolder = DEFAULT_STORE,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 5000,
) -> None:
    """bansweep ui: compare sweeps in MLflow, at http://127.0.0.1:5000. Ctrl-C ends it."""
    uri = tracking_uri(store)
    if uri.startswith(("http://", "https://")):
        typer.echo(f"MLflow runs at {uri}; open that in a browser")
        return
    # The consumers of MLflow's job queue, which nothing here uses, are ten processes.
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--host", host, "--port", str(port)]
    try:
        raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
