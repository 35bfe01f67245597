"""Ports of this machine: which are free, and which somebody answers at."""

from __future__ import annotations

import socket

from bansweep.errors import RequestError

_TRIES = 100


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
    # What listens on all addresses is asked at one of them.
    asked = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        with socket.create_connection((asked, port), timeout=1):
            return True
    except OSError:
        return False


def _problem(host: str, port: int) -> str | None:
    """Why nobody can listen there; None where somebody can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as tried:
            # As servers do: what has just ended there holds no port.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return None
