"""`bansweep ui`: MLflow's UI on the store's tracking database."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from ipaddress import ip_address
from typing import Annotated

import typer

from bansweep.cli.exit_status import ExitStatus
from bansweep.cli.options import StoreLocation
from bansweep.errors import RequestError
from bansweep.regular_file import open_regular
from bansweep.service.request import local_folder
from bansweep.store.location import DEFAULT_STORE
from bansweep.store.store import Store
from bansweep.tracking.tracking_uri import database_file, tracking_uri, without_credentials

_TRIES = 100

_FIRST_PORT = 5000
_PATIENCE_S = 10.0  # for MLflow to end once it is asked to
_START_S = 120.0  # a slow disk, a database of an older MLflow


def ui(
    store: StoreLocation = DEFAULT_STORE,
    host: Annotated[
        str, typer.Option(help="The address of this machine to listen on; others see and change everything there.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65_535, help="The port to listen on: the first free one from 5000 on.", show_default=False
        ),
    ] = None,
) -> None:
    """bansweep ui: compare sweeps in MLflow, in a browser on this machine. Ctrl-C ends it.

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
    if database is not None and database.exists():
        try:
            open_regular(database).close()
        except OSError as error:
            raise RequestError(f"cannot read {database}: {error.strerror}", remedy="remove it, or fix it") from error
    chosen = free_port(host, port, first=_FIRST_PORT)
    if not _is_loopback(host):
        typer.echo(f"bansweep: whoever reaches {host}:{chosen} may change and delete all that is there", err=True)
    raise typer.Exit(_serve(uri, host, chosen))


def _serve(uri: str, host: str, port: int) -> int:
    """Runs MLflow's server until it ends or the user ends it; returns the exit status."""
    # The consumers of MLflow's job queue, which nothing here uses, are ten processes.
    # In the environment, because any user can read a command line (`ps`), and the URI may hold a password.
    environment = {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # It starts further processes with `python -m`, which would import from the working directory.
        "PYTHONSAFEPATH": "1",
    }
    # A separate session: Ctrl-C in the terminal reaches only this process, which then ends the server and its children.
    # Otherwise all of them would end at once, each with a traceback.
    previous = {number: signal.signal(number, _exit_on_signal) for number in (signal.SIGTERM, signal.SIGHUP)}
    with subprocess.Popen(_command(host, port), env=environment, start_new_session=True) as server:
        threading.Thread(target=_announce, args=(server, host, port), daemon=True).start()
        try:
            returncode = server.wait()
        except KeyboardInterrupt:
            return ExitStatus.DONE
        finally:
            _end(server)
            for number, handler in previous.items():
                signal.signal(number, handler)
    typer.echo("bansweep: MLflow's UI ended by itself; what it printed above says why", err=True)
    return _exit_status(returncode)


def _command(host: str, port: int) -> list[str]:
    return [sys.executable, "-m", "mlflow", "ui", "--host", host, "--port", str(port), "--workers", "1"]


def _exit_on_signal(number: int, _: object) -> None:
    """Exits as after a fatal signal, but only after the server has ended."""
    raise SystemExit(128 + number)


def _announce(server: subprocess.Popen[bytes], host: str, port: int) -> None:
    """Prints the UI's address once it answers, below MLflow's own output."""
    deadline = time.monotonic() + _START_S
    while server.poll() is None and time.monotonic() < deadline:
        if is_answered(host, port):
            shown = f"[{host}]" if ":" in host else host
            typer.echo(f"MLflow's UI: http://{shown}:{port} (Ctrl-C ends it)")
            return
        time.sleep(0.2)


def _end(server: subprocess.Popen[bytes]) -> None:
    """Ends the server and its children, which are in its session."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, number)
        except ProcessLookupError:
            return
        try:
            server.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            continue


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _exit_status(returncode: int) -> int:
    """MLflow's exit status; FAILED instead of 0, since a server must not end by itself."""
    return 128 - returncode if returncode < 0 else returncode or ExitStatus.FAILED


def free_port(host: str, wanted: int | None, *, first: int) -> int:
    """`wanted` if it is free on `host`, else a RequestError; with None the first free one from `first` on."""
    ports = [wanted] if wanted is not None else list(range(first, first + _TRIES))
    for port in ports:
        if (problem := _problem(host, port)) is None:
            return port
    asked = f"port {wanted}" if wanted is not None else f"every port from {first} to {ports[-1]}"
    raise RequestError(
        f"{asked} of {host} cannot be listened on: {problem}",
        remedy="--port PORT names another, --host HOST an address of this machine",
    )


def is_answered(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    # A server on all addresses is asked at one of them.
    asked = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        with socket.create_connection((asked, port), timeout=1):
            return True
    except OSError:
        return False


def _problem(host: str, port: int) -> str | None:
    """Why no server can listen there; None where one can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as tried:
            # As servers do: a server that has just ended does not block the port.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return None
