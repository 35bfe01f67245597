"""What is said where a tracking server refuses: which remedy there is."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bansweep.tracking.client import in_one_line, open_client

SECRET = "correct-horse-battery"
LOGIN = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"


class Refusing(BaseHTTPRequestHandler):
    """Answers everything with the status and body that the server was given."""

    def do_GET(self) -> None:
        status, body = self.server.answer  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    server.answer = (401, b"You are not authenticated.")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def told_of(uri: str) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever MLflow raises
        open_client(uri).get_experiment_by_name("demo")
    return in_one_line(caught.value, uri, "demo")


# As MLflow 3.17 answers them.
@pytest.mark.parametrize(
    ("status", "body", "remedy"),
    [
        (401, b"You are not authenticated.", f"not logged in (401): {LOGIN}, are missing or wrong"),
        (403, b"Permission denied", "no permission (403) for the experiment 'demo': have its owner grant you MANAGE"),
        (403, b"Invalid Host header - possible DNS rebinding attack detected", "start it with --allowed-hosts"),
    ],
)
def test_a_refusal_names_its_remedy_and_no_secret(
    refusing: HTTPServer, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, remedy: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    refusing.answer = (status, body + b" " + SECRET.encode())  # type: ignore[attr-defined]
    uri = f"http://127.0.0.1:{refusing.server_port}"

    told = told_of(uri)

    assert told.startswith(f"MLflow at {uri}: ")
    assert remedy in told
    assert body.decode() in told
    assert SECRET not in told
    assert "\n" not in told


def test_a_refused_artifact_names_the_same_remedy(refusing: HTTPServer) -> None:
    """Its exception is none of MLflow's."""
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

    refusing.answer = (403, b"Permission denied")  # type: ignore[attr-defined]
    uri = f"http://127.0.0.1:{refusing.server_port}"
    open_client(uri)
    with pytest.raises(Exception, match="403") as caught:
        MlflowArtifactsRepository("mlflow-artifacts:/1", tracking_uri=uri).log_artifact(__file__)

    assert "no permission (403) for the experiment 'demo'" in in_one_line(caught.value, uri, "demo")


def test_any_other_error_has_no_remedy(refusing: HTTPServer) -> None:
    refusing.answer = (400, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "too long"}')  # type: ignore[attr-defined]
    uri = f"http://127.0.0.1:{refusing.server_port}"

    assert told_of(uri) == f"MLflow at {uri}: INVALID_PARAMETER_VALUE: too long"


def test_a_certificate_that_nobody_vouches_for(
    refusing: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    refusing.socket = context.wrap_socket(refusing.socket, server_side=True)
    uri = f"https://127.0.0.1:{refusing.server_port}"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    assert "its certificate is not trusted; MLFLOW_TRACKING_SERVER_CERT_PATH names" in told_of(uri)

    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificate))
    assert "not logged in (401)" in told_of(uri)


def make_certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that vouches for itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form = serialization.PrivateFormat.TraditionalOpenSSL
    file = folder / "server.pem"
    file.write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()) + certificate.public_bytes(pem))
    return file
