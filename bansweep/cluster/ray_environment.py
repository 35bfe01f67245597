"""The environment variables that Ray reads: which ones bansweep sets, and which ones Ray must not copy."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

# Set before Ray is imported, and inherited by every process it starts.
_VARIABLES = {
    # A single-host cluster listens on 127.0.0.1 instead of the routable address.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Tune's own files would only repeat what the store holds.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    # bansweep handles interruptions: finished work is in the store, nothing else needs saving.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    # The searcher limits how many trials run at a time. Tune alone would start one, and wait until it is placed.
    "TUNE_MAX_PENDING_TRIALS_PG": "100000",
}

# A cluster of our own gets a token of its own, unless one of these says what to use.
_TOKEN_VARIABLES = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


@contextmanager
def ray_environment(*, starts_cluster: bool) -> Iterator[None]:
    """Set Ray's variables in this process, and put the former values back on leaving.

    With `starts_cluster`, the cluster that is started gets a token that no file holds: Ray would write one to
    ~/.ray/auth_token, which every user of the machine can read.
    """
    values = dict(_VARIABLES)
    if starts_cluster and not any(name in os.environ for name in _TOKEN_VARIABLES):
        values |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    former = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _forget_token()


def keep_credentials_from_trials() -> None:
    """Stop Ray Tune from copying AWS_* variables of this process into the runtime environment of each trial.

    Ray logs runtime environments in a file that every user of the machine can read, and puts them on command lines.
    Nodes have credentials of their own: a cluster started here inherits them from this process.
    """
    from ray.tune.execution import class_cache

    class_cache.ENV_VARS_TO_PROPAGATE.difference_update(
        [name for name in class_cache.ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")]
    )


def _forget_token() -> None:
    """Let Ray read token and mode again when this process connects next time: it has cached ours."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # a native module

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
