"""A connection to Ray: the cluster that is named, or one of this machine's own that ends with the command."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from bansweep.cluster.ray_watch import end_ray
from bansweep.errors import ClusterError

# Set before ray is imported, and inherited by every process it starts.
_ENVIRONMENT = {
    # A single-host cluster listens on 127.0.0.1 instead of the routable address.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Without this, Ray's C++ code ends the driver's process a minute after the GCS server's death: before MLflow's runs
    # are closed, or, in a notebook, while another sweep runs. `ray_watch` ends the sweep instead.
    "RAY_gcs_rpc_server_reconnect_timeout_s": str(10**7),
    # Tune's own files would only repeat what the store holds.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    # Interruptions are ours to handle: finished work is in the store, nothing else needs saving.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    # How many run at a time is the searcher's to say; Tune alone would start one, and wait for it to be placed.
    "TUNE_MAX_PENDING_TRIALS_PG": "100000",
}

_KNOCK_S = 5.0


@contextmanager
def ray_session(address: str | None = None) -> Iterator[bool]:
    """Connect to the cluster at `address` (or `RAY_ADDRESS`), or start one here; gives whether it was started.

    Side effects: environment variables of this process; on leaving, the connection and any cluster started here end.
    Raises ClusterError.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray
    address = address or os.environ.get("RAY_ADDRESS")
    if address:
        _check_reachable(address)
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
    if threading.current_thread() is threading.main_thread():
        # Ray has put a handler of its own in place, which ends the process before anyone can say goodbye.
        signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield not address
    finally:
        end_ray()


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
