"""A connection to Ray: the cluster that is named, or one of this machine's own that ends with the command."""

from __future__ import annotations

import logging
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from bansweep.errors import ClusterError

# Set before ray is imported, and inherited by every process it starts.
_ENVIRONMENT = {
    # A single-host cluster listens on 127.0.0.1 instead of the routable address.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Tune's own files would only repeat what the store holds.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    # Interruptions are ours to handle: finished work is in the store, nothing else needs saving.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}


@contextmanager
def ray_session(address: str | None = None) -> Iterator[dict[str, float]]:
    """Connect to the cluster at `address` (or `RAY_ADDRESS`), or start one here; yields its total resources.

    Side effects: environment variables of this process; on leaving, the connection and any cluster started here end.
    Raises ClusterError.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray
    address = address or os.environ.get("RAY_ADDRESS")
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
    except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
        where = f"reach Ray at {address}" if address else "start Ray on this machine"
        raise ClusterError(
            f"cannot {where}: {' '.join(str(error).split())}",
            remedy="check the address (RAY_ADDRESS), or leave it out to start a cluster here",
        ) from error
    # Ray has put a handler of its own in place, which ends the process before anyone can say goodbye.
    signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield dict(ray.cluster_resources())
    finally:
        ray.shutdown()
