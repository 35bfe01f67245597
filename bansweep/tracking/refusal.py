"""What a user can do about a tracking server that refuses. Pure."""

from __future__ import annotations

import ssl
from http import HTTPStatus

_WRONG_HOST = "Invalid Host header"  # what MLflow's own middleware answers


def remedy_of(error: BaseException, root: BaseException, sweep: str) -> str | None:
    """What was refused to `sweep`, and the remedy; None where `error`, whose first cause is `root`, is no refusal."""
    if isinstance(root, ssl.SSLCertVerificationError):
        return "its certificate is not trusted; MLFLOW_TRACKING_SERVER_CERT_PATH names a file of those that are"
    match _status_of(error):
        case HTTPStatus.UNAUTHORIZED:
            return (
                "not logged in (401): MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
                "or MLFLOW_TRACKING_TOKEN, are missing or wrong"
            )
        case HTTPStatus.FORBIDDEN if _WRONG_HOST in str(error):
            return "it does not go by this name (403): start it with --allowed-hosts that include this name and port"
        case HTTPStatus.FORBIDDEN:
            return (
                f"no permission (403) for the experiment {sweep!r}: have its owner grant you MANAGE, "
                "or give the sweep another name"
            )
        case _:
            return None


def _status_of(error: BaseException) -> int | None:
    """The HTTP status of MLflow's own exceptions (the API) and of those of requests (artifacts)."""
    ask = getattr(error, "get_http_status_code", None)
    if ask is not None:
        return int(ask())
    return getattr(getattr(error, "response", None), "status_code", None)
