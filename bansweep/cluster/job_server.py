"""Ray's job server, at the address of a cluster's dashboard: every failure of it is a ClusterError in one line."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bansweep.errors import ClusterError, NoSuchJobError, RequestError

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

_KNOCK_S = 5.0
_TALKATIVE = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
)
_PORTS = {"http": 80, "https": 443}

TOKEN_REMEDY = "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, to the cluster's token"


def connect(address: str) -> JobSubmissionClient:
    """A client of the job server at an http:// or https:// address.

    Raises RequestError where that is none, ClusterError where there is no job server, or it wants another token.
    """
    parts = urlsplit(address)
    try:
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        port = 0
    if parts.scheme not in _PORTS or not parts.hostname or not port:
        raise RequestError(
            f"{address!r} is no address of a job server", remedy="it is that of Ray's dashboard: http://HOST:8265"
        )
    if parts.username or parts.password:
        raise RequestError(
            "the address holds credentials, which would be seen in lists of processes", remedy=TOKEN_REMEDY
        )
    # Ray's client would wait for minutes.
    with explained(address, about_job=False):
        socket.create_connection((parts.hostname, port), timeout=_KNOCK_S).close()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with explained(address, about_job=False):
        from ray.job_submission import JobSubmissionClient

        for module in _TALKATIVE:
            logging.getLogger(module).setLevel(logging.ERROR)
        return JobSubmissionClient(address.rstrip("/"))


@contextmanager
def explained(address: str, *, about_job: bool = True) -> Iterator[None]:
    """Turns whatever Ray's client raises into ClusterError; what is not found where it is `about_job` is a job."""
    try:
        yield
    except ClusterError:
        raise
    except Exception as error:
        raise _explanation(address, error, about_job=about_job) from error


def _explanation(address: str, error: Exception, *, about_job: bool) -> ClusterError:
    text = " ".join(str(error).split()) or type(error).__name__
    if type(error).__name__ == "AuthenticationError" or "RAY_AUTH" in text:
        what = "refuses this token" if "Invalid" in text else "wants a token"
        return ClusterError(f"the cluster at {address} {what}", remedy=TOKEN_REMEDY)
    if about_job and ("status code 404" in text or getattr(error, "status", None) == 404):
        return NoSuchJobError(
            f"the cluster at {address} knows no such job",
            remedy=f"bansweep status SWEEP --address {address} lists those of a sweep",
        )
    return ClusterError(
        f"cannot reach a job server at {address}: {text[:300]}",
        remedy="check the address, that of Ray's dashboard (--address, RAY_API_SERVER_ADDRESS), and the tunnel to it",
    )
