"""A client of Ray's job server with time limits: every failure is a ClusterError in one line."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import ray
from aiohttp import ClientSession, ClientWSTimeout, WSCloseCode, WSMsgType
from ray.dashboard.modules.dashboard_sdk import SubmissionClient
from ray.job_submission import JobSubmissionClient

from bansweep.errors import ClusterError, NoSuchJobError, RequestError

if TYPE_CHECKING:
    from requests import Response

TOKEN_REMEDY = "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, to the cluster's token"
_ADDRESS_REMEDY = "check the address, that of Ray's dashboard (--address, RAY_API_SERVER_ADDRESS), and the tunnel to it"

_PORTS = {"http": 80, "https": 443}
_LONGEST_TEXT = 300
_TALKATIVE = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
)

_CONNECT_S = 5.0

# To connect, and to wait for each part of an answer.
REQUEST_TIMEOUT_S = 30.0

# For the server to answer the closing of a log's connection.
_CLOSING_S = 1.0

_ABOUT_TOKENS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def connect(address: str) -> JobClient:
    """A client of the job server at an http:// or https:// address.

    Raises RequestError for another address, ClusterError if there is no job server, or it requires another token.
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
    # Reports an unreachable address quickly, and more briefly than Ray's libraries.
    with explained(address, about_job=False):
        socket.create_connection((parts.hostname, port), timeout=_CONNECT_S).close()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with explained(address, about_job=False):
        for module in _TALKATIVE:
            logging.getLogger(module).setLevel(logging.ERROR)
        return JobClient(address.rstrip("/"))


@contextmanager
def explained(address: str, *, about_job: bool = True) -> Iterator[None]:
    """Turns any error of Ray's client into a ClusterError. With `about_job`, "not found" means the job."""
    try:
        yield
    except ClusterError:
        raise
    except Exception as error:
        raise _explanation(address, error, about_job=about_job) from error


def answered_status(error: BaseException | None) -> int | None:
    """The HTTP status behind an error of Ray's client or its websocket; None if the server sent none."""
    status = getattr(error, "status", None)
    return status if isinstance(status, int) else None


def _explanation(address: str, error: Exception, *, about_job: bool) -> ClusterError:
    status = answered_status(error)
    said = getattr(error, "text", None) or getattr(error, "message", None) or str(error)
    text = " ".join(str(said).split())[:_LONGEST_TEXT]
    if status == HTTPStatus.NOT_FOUND and about_job:
        return NoSuchJobError(
            f"the cluster at {address} knows no such job",
            remedy=f"bansweep status SWEEP --address {address} lists those of a sweep",
        )
    if status == HTTPStatus.NOT_FOUND:
        return ClusterError(f"what answers at {address} is not Ray's dashboard", remedy=_ADDRESS_REMEDY)
    if status == HTTPStatus.FORBIDDEN:
        return ClusterError(f"the cluster at {address} refuses this token", remedy=TOKEN_REMEDY)
    # Without a status, Ray's client has found no token here although RAY_AUTH_MODE requires one.
    if status == HTTPStatus.UNAUTHORIZED or type(error).__name__ == "AuthenticationError":
        return ClusterError(f"the cluster at {address} wants a token", remedy=TOKEN_REMEDY)
    answer = f"it answers {status}{text and f', {text}'}" if status else text or type(error).__name__
    return ClusterError(f"cannot reach a job server at {address}: {answer}", remedy=_ADDRESS_REMEDY)


class HttpStatusError(Exception):
    """A server has refused a request with this HTTP status; `text` is its answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text


class JobClient(JobSubmissionClient):
    """A client of the job server at exactly this address. Its methods raise HttpStatusError for any refusal."""

    def __init__(self, address: str) -> None:
        # Not the parent's, which prefers RAY_API_SERVER_ADDRESS and RAY_ADDRESS to the given address.
        SubmissionClient.__init__(self, address)
        self._client_ray_version = ray.__version__
        answer = self._do_request("GET", "/api/version")
        if answer.status_code != HTTPStatus.OK:
            self._raise_error(answer)
        try:
            self._server_ray_version = answer.json()["ray_version"]
        except (ValueError, KeyError, TypeError) as error:
            raise HttpStatusError(answer.status_code, "which names no version of Ray") from error

    def _do_request(self, method: str, endpoint: str, **options: Any) -> Response:
        # Ray raises one error for both statuses about tokens, which only its text tells apart; the hook runs first.
        hooks = {"response": _check_authorised}
        return super()._do_request(method, endpoint, timeout=REQUEST_TIMEOUT_S, hooks=hooks, **options)

    async def tail_job_logs(self, job_id: str) -> AsyncIterator[str]:
        """As the parent's, but closes its connection even if the server no longer answers."""
        url = f"{self._address}/api/jobs/{job_id}/logs/tail"
        async with (
            ClientSession(cookies=self._cookies, headers=self._headers) as session,
            session.ws_connect(url, timeout=ClientWSTimeout(ws_close=_CLOSING_S)) as connection,
        ):
            async for message in connection:
                if message.type == WSMsgType.TEXT:
                    yield message.data
            if connection.close_code == WSCloseCode.ABNORMAL_CLOSURE:
                raise ConnectionError("the connection broke off")

    def _raise_error(self, answer: Response) -> NoReturn:
        raise HttpStatusError(answer.status_code, answer.text)


def _check_authorised(answer: Response, *_: object, **__: object) -> None:
    if answer.status_code in _ABOUT_TOKENS:
        raise HttpStatusError(answer.status_code, answer.text)
