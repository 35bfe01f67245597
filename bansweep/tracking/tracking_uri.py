"""The MLflow URI of a store's tracking server or database."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from pathlib import Path
from urllib.parse import unquote

_SQLITE = "sqlite:///"
_SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_SHORTEST_SECRET = 4  # shorter ones would replace parts of other words

# User and password end at the last `@` before the path. A `/` in a password that was not percent-encoded does not end
# it unless the text before it can be a port.
_USER_INFO = re.compile(r"://(?:[^/@:\s]*:(?!\d*(?:[/?#\s]|$))\S*@|[^/\s]*@)")
_QUERY = re.compile(r"([?&][^=&\s]*(?:password|passwd|pwd|token|secret|key)=)[^&\s'\"]+", re.IGNORECASE)


def tracking_uri(store_root: Path) -> str:
    """`MLFLOW_TRACKING_URI` where it is set, else a SQLite database inside the store. Never relative."""
    return absolute_uri(os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{store_root.absolute() / 'mlflow.db'}")


def absolute_uri(uri: str) -> str:
    """`uri`, with the path of a SQLite database made absolute: workers change their directory."""
    file = database_file(uri)
    return f"{_SQLITE}{file.absolute()}" if file else uri


def database_file(uri: str) -> Path | None:
    """The file of a SQLite database; None for everything else."""
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


def artifact_location(uri: str, store_root: Path) -> str | None:
    """Where the artifacts of a new experiment go; None leaves it to the server.

    Without a server the client decides, and MLflow's default, `./mlruns`, depends on the working directory.
    """
    return (store_root.absolute() / "mlflow-artifacts").as_uri() if database_file(uri) else None


def without_credentials(text: str) -> str:
    """A URI, or text that quotes one, with user, password and token hidden."""
    return _QUERY.sub(r"\1***", _USER_INFO.sub("://***@", text))


def without_secrets(text: str, uri: str) -> str:
    """Text about the server at `uri` without credentials in URIs and without the secrets themselves.

    These are the URI's password, as it stands there and decoded, and those in MLflow's environment variables.
    """
    shown = without_credentials(text.replace(uri, without_credentials(uri)))
    found = _USER_INFO.search(uri)
    user_info = found[0][len("://") : -len("@")] if found else ""
    password = user_info.partition(":")[2] or user_info
    set_password, token = (os.environ.get(name, "") for name in _SECRETS)
    secrets = {password, unquote(password), set_password, token}
    # As in the header, which servers quote.
    user = os.environ.get("MLFLOW_TRACKING_USERNAME", "")
    in_uri = unquote(user_info) if ":" in user_info else f"{unquote(user_info)}:"
    secrets |= {b64encode(both.encode()).decode() for both in (in_uri, f"{user}:{set_password}")}
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            shown = shown.replace(secret, "***")
    return shown
