"""Ray's client of a job server, made to end: every request has a time limit, every refusal its HTTP status."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

import ray
from aiohttp import ClientSession, ClientWSTimeout, WSCloseCode, WSMsgType
from ray.dashboard.modules.dashboard_sdk import SubmissionClient
from ray.job_submission import JobSubmissionClient

if TYPE_CHECKING:
    from requests import Response

# To be connected, and for each silence of a server that is answering.
REQUEST_TIMEOUT_S = 30.0

# For the other end to say goodbye to a reader that goes.
_CLOSING_S = 1.0

_ABOUT_TOKENS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class HttpStatusError(Exception):
    """A server has answered with this HTTP status what is of no use; `text` is what it says."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text


class JobClient(JobSubmissionClient):
    """Of the job server at this address and no other. Its methods raise HttpStatusError for any refusal."""

    def __init__(self, address: str) -> None:
        # Not the parent's own, which prefers RAY_API_SERVER_ADDRESS and RAY_ADDRESS to the address that it is given.
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
        # Ray makes one kind of error of both statuses about tokens, and a text that says which; the hook comes first.
        hooks = {"response": _check_authorised}
        return super()._do_request(method, endpoint, timeout=REQUEST_TIMEOUT_S, hooks=hooks, **options)

    async def tail_job_logs(self, job_id: str) -> AsyncIterator[str]:
        """As the parent's, and closes its connection also where nobody is left at the other end."""
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
