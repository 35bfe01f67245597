"""A connection to Ray: the cluster that is named, or one of this machine's own that ends with the command."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from bansweep.cluster.ray_environment import ray_environment
from bansweep.errors import ClusterError

_KNOCK_S = 5.0


@contextmanager
def ray_session(address: str | None = None) -> Iterator[bool]:
    """Connect to the cluster at `address` (or `RAY_ADDRESS`), or start one here; gives whether it was started.

    Side effects: environment variables of this process; on leaving, the connection and any cluster started here end.
    Raises ClusterError.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    if address:
        _check_reachable(address)
    with ray_environment(starts_cluster=not address):
        yield from _connected(address)


def _connected(address: str | None) -> Iterator[bool]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray
    logging.getLogger("ray").setLevel(logging.ERROR)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address or "local",
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=True,
        )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise _unreachable(address, " ".join(str(error).split())) from error
    # What Ray has to say of a lost process, at length, is told in one line by whoever asked for it.
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    # Ray has put a handler of its own in place, which ends the process before anyone can say goodbye.
    signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield not address
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Knock at the address: Ray itself would try for a quarter of an hour. Raises ClusterError."""
    match = re.fullmatch(r"(?:ray://)?\[?([^/\]]+?)\]?:(\d{1,5})", address)
    if match is None:
        return  # "auto" and the like
    try:
        socket.create_connection((match[1], int(match[2])), timeout=_KNOCK_S).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from None


def _unreachable(address: str | None, reason: str) -> ClusterError:
    return ClusterError(
        f"cannot {f'reach Ray at {address}' if address else 'start Ray on this machine'}: {reason}",
        remedy="check the address (--address, RAY_ADDRESS), or leave it out to start a cluster here; for one that asks "
        "for a token set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH",
    )
