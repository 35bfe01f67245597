"""What Ray takes from the process that starts it: environment variables, credentials, and folders to import from."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from bansweep.import_path import installed_entries, remove_first

if TYPE_CHECKING:
    from ray.job_config import JobConfig

# Override the values of a site or a launcher: bansweep relies on each of them. None unsets.
_VARIABLES: dict[str, str | None] = {
    # A cluster that is started here listens on 127.0.0.1 instead of the routable address, and 127.0.0.1 in a given
    # address is not replaced.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # `uv run` would make Ray upload the working directory, and build an environment for each worker.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_CLIENT_MODE": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
    # A site's callbacks expect other experiments than a sweep's.
    "RAY_TUNE_CALLBACKS": None,
    "RAY_TRAIN_CALLBACKS": None,
    "RAY_USAGE_STATS_ENABLED": "0",
    # Otherwise Ray's C++ code ends this process a minute after the GCS server's death: before MLflow's runs are closed,
    # or, in a notebook, while another sweep runs. `ray_watch` ends the sweep instead.
    "RAY_gcs_rpc_server_reconnect_timeout_s": str(10**7),
    # Every epoch is reported at once, and Tune refuses to run with its former settings.
    "TUNE_RESULT_BUFFER_LENGTH": "1",
    "TUNE_RESULT_BUFFER_MIN_TIME_S": "0",
    "TUNE_RESULT_DIR": None,
    "RAY_AIR_LOCAL_CACHE_DIR": None,
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

# For a cluster that is started here, independent of another one that the environment describes.
_VARIABLES_OF_NEW_CLUSTER: dict[str, str | None] = {
    "RAY_REDIS_ADDRESS": None,
    "RAY_GCS_SERVER_PORT": None,
    "RAY_RUNTIME_ENV_HOOK": None,
}

# How long Ray waits for its own processes, unless a site says otherwise: a busy machine needs more than Ray's defaults.
_PATIENCE = {
    "RAY_gcs_server_port_wait_time_s": "60",
    "RAY_worker_register_timeout_seconds": "300",
}

# Ray reads these once, when it is imported; the calling process may have imported it before.
_READ_AT_IMPORT = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "RAY_ENABLE_UV_RUN_RUNTIME_ENV",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "ENABLE_RAY_CLUSTER",
}

# A cluster that is started here gets a new token, unless one of these sets it, or RAY_AUTH_MODE is "disabled".
_TOKEN_VARIABLES = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


@contextmanager
def ray_environment(*, starts_cluster: bool) -> Iterator[None]:
    """Set Ray's variables in this process, and restore the former values on leaving.

    With `starts_cluster`, the cluster that is started gets a token that no file holds: Ray would write one to
    ~/.ray/auth_token, which every user of the machine can read.
    """
    values = dict(_VARIABLES)
    if starts_cluster:
        values |= _VARIABLES_OF_NEW_CLUSTER
        values |= {name: seconds for name, seconds in _PATIENCE.items() if name not in os.environ}
        if os.environ.get("RAY_AUTH_MODE") != "disabled" and not any(name in os.environ for name in _TOKEN_VARIABLES):
            values |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        if "PYTHONPATH" in os.environ:
            values["PYTHONPATH"] = installed_entries(os.environ["PYTHONPATH"])
    former = {name: os.environ.get(name) for name in values}
    _set(values)
    if "ray" in sys.modules:
        _read_token_again()
    former_constants = _constants()
    _set_constants({_READ_AT_IMPORT[name]: False for name in values.keys() & _READ_AT_IMPORT.keys()})
    try:
        yield
    finally:
        _set(former)
        _set_constants(former_constants)
        if "ray" in sys.modules:
            _read_token_again()


def _set(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _constants() -> dict[str, bool]:
    """What Ray has read from the environment; empty if it is not imported yet."""
    module = sys.modules.get("ray._private.ray_constants")
    return {} if module is None else {name: getattr(module, name) for name in _READ_AT_IMPORT.values()}


def _set_constants(values: dict[str, bool]) -> None:
    module = sys.modules.get("ray._private.ray_constants")
    if module is not None:
        for name, value in values.items():
            setattr(module, name, value)


def _read_token_again() -> None:
    """Let Ray read RAY_AUTH_MODE and the token again: it has cached them."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # a native module

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def credentials_kept_from_trials() -> Iterator[None]:
    """Keep Ray Tune from copying AWS_* variables of this process into each trial's runtime environment.

    Ray logs runtime environments in a file that every user of the machine can read, and puts them on command lines.
    Nodes have their own credentials: a cluster started here inherits them from this process.
    """
    from ray.tune.execution import class_cache

    copied: set[str] = class_cache.ENV_VARS_TO_PROPAGATE
    credentials = {name for name in copied if name.startswith("AWS_")}
    copied -= credentials
    try:
        yield
    finally:
        copied |= credentials


class _NoFolders(list[str]):
    """The folders that Ray adds to the `sys.path` of workers: ignores those that Ray extends it by."""

    def extend(self, _folders: object) -> None:
        pass


def without_driver_directories() -> JobConfig:
    """A job whose workers import neither from the driver's working directory nor from that of its script."""
    from ray.job_config import JobConfig

    job = JobConfig()
    job._py_driver_sys_path = _NoFolders()
    return job


@cache
def leave_driver_directories() -> None:
    """Remove the driver's folders from this worker's `sys.path`, once: a caller's connection to Ray passes them on."""
    from ray._private.worker import global_worker

    core_worker: Any = getattr(global_worker, "core_worker", None)
    if core_worker is not None:  # otherwise this is no worker of Ray's
        remove_first(core_worker.get_job_config().py_driver_sys_path)
