"""Errors for failures of Ray itself, in two lines: the cause, and its remedy."""

from __future__ import annotations

import os
from pathlib import Path

from bansweep.errors import ClusterError

_LONGEST_REASON = 300

# Parts of Ray's messages. A message without any of them gets the general remedy.
# If an actor was between two calls, this one reaches the driver as a RuntimeError of Tune's.
_OUT_OF_MEMORY = "node running low on memory"
_TIMED_OUT = ("timed out during startup", "Failed to start GCS", "Timed out waiting for file")
_SOCKET_PATH = "AF_UNIX path length"
_UNAUTHENTICATED = ("InvalidAuthToken", "Unauthenticated", "authentication token")
_NOTHING_RUNS = "Could not find any running Ray instance"
_VERSIONS = "Version mismatch"

_TOKEN_REMEDY = "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, to the cluster's token"
RESUME = "run the same command to resume: finished generations and saved epochs are kept"


class StartTimeoutError(ClusterError):
    """Ray's processes started, but did not answer in time: the machine may be busy."""


def start_failure(error: BaseException, *, were_alive: bool = True) -> ClusterError:
    """The error if a cluster does not start on this machine. `were_alive`: none of its processes had ended."""
    reason = _in_one_line(error)
    if any(words in reason for words in _TIMED_OUT):
        if not were_alive:
            return ClusterError(
                "cannot start Ray on this machine: one of its processes ended by itself",
                remedy=f"Ray's logs say why: {_logs()}",
            )
        return StartTimeoutError(
            "cannot start Ray on this machine: its processes did not answer in time, in two attempts",
            remedy=f"this machine may be overloaded: try again when it is less busy; Ray's logs are in {_logs()}",
        )
    if _SOCKET_PATH in reason:
        variable = next((name for name in ("RAY_TMPDIR", "TMPDIR") if name in os.environ), "RAY_TMPDIR")
        return ClusterError(
            f"cannot start Ray on this machine: {variable} is too long for the path of a socket: {_temporary()}",
            remedy="set RAY_TMPDIR to a short path, such as /tmp",
        )
    if _is_authentication(error, reason):
        return ClusterError(
            "cannot start Ray on this machine: RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH holds no valid token",
            remedy="correct these variables, or unset them: bansweep then uses a token of its own",
        )
    if isinstance(error, OSError) and error.errno is not None:
        return ClusterError(
            f"cannot start Ray on this machine: {reason}",
            remedy=f"Ray needs a directory that it can write, with disk space: {_temporary()}, or set RAY_TMPDIR",
        )
    return ClusterError(f"cannot start Ray on this machine: {reason}", remedy=f"Ray's logs are in {_logs()}")


def connection_failure(address: str, error: BaseException) -> ClusterError:
    """The error if the cluster at `address` cannot be reached, or refuses this process."""
    reason = _in_one_line(error)
    if _is_authentication(error, reason):
        return ClusterError(
            f"the Ray cluster at {address} refuses this process: its token is missing or wrong", remedy=_TOKEN_REMEDY
        )
    if _NOTHING_RUNS in reason:
        return ClusterError(
            f"no Ray cluster runs on this machine for the address {address}",
            remedy="start one (ray start --head), or leave out --address and RAY_ADDRESS to start a cluster here",
        )
    if _VERSIONS in reason:
        return ClusterError(
            f"the Ray cluster at {address} has other versions: {reason}",
            remedy="install the same versions of Ray and Python here, or use bansweep submit, which needs neither",
        )
    return ClusterError(
        f"cannot reach Ray at {address}: {reason}",
        remedy="check the address (--address, RAY_ADDRESS), or leave it out to start a cluster here",
    )


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether Ray ended a process because its node's memory ran out."""
    return _OUT_OF_MEMORY in str(error)


def ray_failure(error: BaseException) -> ClusterError:
    """The error to raise for one of Ray or Tune itself."""
    if ran_out_of_memory(error):
        return ClusterError(
            "Ray ended a generation's process: its node's memory ran out",
            remedy=f"{RESUME}; a smaller resources.concurrency, or resources.teacher_memory_gb, needs less of it",
        )
    return ClusterError(
        f"Ray gave up: {(str(error).strip().splitlines() or [type(error).__name__])[-1]}", remedy=RESUME
    )


def _is_authentication(error: BaseException, reason: str) -> bool:
    return type(error).__name__ == "AuthenticationError" or any(words in reason for words in _UNAUTHENTICATED)


def _in_one_line(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:_LONGEST_REASON]


def _temporary() -> Path:
    """Where Ray keeps its sessions."""
    return Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp", "ray")


def _logs() -> Path:
    return _temporary() / "session_latest" / "logs"
