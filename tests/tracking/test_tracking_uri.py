"""Where tracking goes, and what is shown of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bansweep.tracking.client import in_one_line
from bansweep.tracking.tracking_uri import artifact_location, tracking_uri, without_credentials, without_secrets


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_default_is_a_database_in_the_store_however_it_is_named(tmp_path: Path) -> None:
    assert tracking_uri(tmp_path / "store") == f"sqlite:///{tmp_path}/store/mlflow.db"
    assert tracking_uri(Path("store")) == f"sqlite:///{tmp_path}/store/mlflow.db"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://mlflow:5000", "http://mlflow:5000"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("", "sqlite:///{here}/store/mlflow.db"),
        ("sqlite:///mine.db", "sqlite:///{here}/mine.db"),
    ],
)
def test_the_environment_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, used: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)

    assert tracking_uri(Path("store")) == used.format(here=tmp_path)


def test_only_a_database_without_a_server_has_its_artifacts_in_the_store(tmp_path: Path) -> None:
    store = tmp_path / "a store"

    assert artifact_location(tracking_uri(store), store) == f"file://{tmp_path}/a%20store/mlflow-artifacts"
    assert artifact_location("http://mlflow:5000", store) is None


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://user:pass@mlflow:5000/x", "http://***@mlflow:5000/x"),
        ("https://token@mlflow", "https://***@mlflow"),
        ("http://mlflow:5000/@me", "http://mlflow:5000/@me"),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
        ("http://user:p@ss@mlflow:5000", "http://***@mlflow:5000"),
        ("http://user:pa/ss@mlflow:5000", "http://***@mlflow:5000"),
        (
            "postgresql://mlflow/db?user=me&password=hunter2&sslmode=on",
            "postgresql://mlflow/db?user=me&password=***&sslmode=on",
        ),
        ("asked 'http://u:p@a/x', then mail me@b", "asked 'http://***@a/x', then mail me@b"),
    ],
)
def test_credentials_are_hidden(uri: str, shown: str) -> None:
    assert without_credentials(uri) == shown


def test_secrets_are_hidden_wherever_they_are_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "open sesame")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "dapi123")
    uri = "http://user:hun%20ter@mlflow"

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ali")
    assert without_secrets("Basic YWxpOm9wZW4gc2VzYW1l or dXNlcjpodW4gdGVy", uri) == "Basic *** or ***"
    told = without_secrets(f"{uri}/api refused 'hun ter', hun%20ter, open sesame and Bearer dapi123", uri)

    assert told == "http://***@mlflow/api refused '***', ***, *** and Bearer ***"
    assert without_secrets("a path /home/a of sqlite", "sqlite:////home/a@b/mlflow.db") == "a path /home/a of sqlite"


def test_an_error_is_said_in_one_line_by_its_root() -> None:
    def refused() -> None:
        try:
            raise ConnectionRefusedError(111, "Connection refused")
        except OSError as error:
            raise RuntimeError("API request failed\nwith many lines") from error

    with pytest.raises(RuntimeError) as caught:
        refused()

    assert in_one_line(caught.value, "http://u:p@host") == "MLflow at http://***@host: Connection refused"
    quoting = RuntimeError("\nhttp://u:p@host/api said 403\nmore")
    assert in_one_line(quoting, "http://u:p@host") == "MLflow at http://***@host: http://***@host/api said 403"
    assert in_one_line(ModuleNotFoundError(), "http://host") == "MLflow at http://host: ModuleNotFoundError"
