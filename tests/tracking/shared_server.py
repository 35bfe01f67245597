"""MLflow as a service with a login: on SQLite and a folder, or on PostgreSQL and S3. All on 127.0.0.1."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from patience import PROCESS_S, wait_for

ADMIN = ("admin", "a-password-of-the-admin")
USERS = {"ann": "a-password-of-ann", "ben": "a-password-of-ben"}
BUCKET = "artifacts"
_DATABASE_PASSWORD = "a-password-of-the-database"


@dataclass(frozen=True)
class SharedServer:
    """A server that answers at `uri`; its artifacts lie in `artifacts`, where that is a folder."""

    uri: str
    artifacts: Path | None
    log: Path

    def login(self, user: str) -> dict[str, str]:
        """The environment in which `user`'s commands reach the server."""
        password = dict([ADMIN])[user] if user == ADMIN[0] else USERS[user]
        return {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": user,
            "MLFLOW_TRACKING_PASSWORD": password,
        }


@contextlib.contextmanager
def on_sqlite(folder: Path) -> Iterator[SharedServer]:
    """One process, a SQLite database for runs and one for users, a folder for artifacts."""
    skip_without("flask_wtf")
    environment = {"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder}/server.db"}
    (folder / "artifacts").mkdir()
    destination = str(folder / "artifacts")
    with serving(folder, f"sqlite:///{folder}/users.db", destination, environment, workers=1) as (uri, log):
        yield SharedServer(uri, folder / "artifacts", log)


@contextlib.contextmanager
def on_postgresql(folder: Path) -> Iterator[SharedServer]:
    """Two processes, runs and users in a PostgreSQL database, artifacts in a bucket. No secret on a command line."""
    skip_without("flask_wtf", "psycopg", "boto3", "moto")
    with postgresql() as database, object_store(folder) as bucket:
        environment = {"MLFLOW_BACKEND_STORE_URI": "postgresql:///", **database, **bucket}
        with serving(folder, "postgresql:///", f"s3://{BUCKET}", environment, workers=2) as (uri, log):
            yield SharedServer(uri, None, log)


def skip_without(*modules: str) -> None:
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: the extras `server` and `dev`")


@contextlib.contextmanager
def serving(
    folder: Path, users: str, destination: str, environment: Mapping[str, str], workers: int
) -> Iterator[tuple[str, Path]]:
    """`mlflow server` with a login, the URI of it and its log; as docs/mlflow-server.md says."""
    settings_of_users = f"[mlflow]\ndefault_permission = READ\ndatabase_uri = {users}\nauth_cache_ttl_seconds = 60\n"
    (folder / "auth.ini").write_text(settings_of_users)
    port, log = free_port(), folder / "server.log"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", str(workers), "--app-name", "basic-auth", "--artifacts-destination", destination]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PG", "AWS_"))}
    settings = {
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_USERNAME": ADMIN[0],
        "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN[1],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a-key-for-tests-and-nothing-else",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with running(command, {**kept, **settings, **environment}, log) as process:
        wait_for_answer(f"http://127.0.0.1:{port}/health", process, log)
        uri = f"http://127.0.0.1:{port}"
        for user, password in USERS.items():
            create_user(uri, user, password)
        yield uri, log


def create_user(uri: str, user: str, password: str) -> None:
    as_admin(uri, f"users.create_user({user!r}, {password!r})")


def as_admin(uri: str, statement: str) -> None:
    """Run a Python statement with MLflow's client for `users`, in a process whose environment has the admin's login."""
    script = f"from mlflow.server import get_app_client; users = get_app_client('basic-auth', {uri!r}); {statement}"
    login = {"MLFLOW_TRACKING_USERNAME": ADMIN[0], "MLFLOW_TRACKING_PASSWORD": ADMIN[1]}
    subprocess.run([sys.executable, "-c", script], env={**os.environ, **login}, check=True, timeout=PROCESS_S)


@contextlib.contextmanager
def postgresql() -> Iterator[dict[str, str]]:
    """A PostgreSQL server of its own with an empty database; the environment that names both for libpq."""
    programs = postgresql_programs()
    port = free_port()
    # Outside pytest's folders, which no other user may enter, and with a short path: it holds a socket.
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        home = Path(folder)
        (home / "password").write_text(_DATABASE_PASSWORD)
        user = unprivileged_user()
        if user:
            for path in (home, home / "password"):
                shutil.chown(path, user)
        options = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
        initialise = [programs / "initdb", "-D", home / "data", "-U", "mlflow", "--pwfile", home / "password"]
        initialise += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run(initialise, cwd=home, check=True, capture_output=True, timeout=PROCESS_S, **options)
        serve = [programs / "postgres", "-D", home / "data", "-h", "127.0.0.1", "-p", str(port), "-k", home, "-F"]
        database = {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGUSER": "mlflow",
            "PGPASSWORD": _DATABASE_PASSWORD,
            "PGDATABASE": "mlflow",
        }
        with running(serve, dict(os.environ), home.with_suffix(".log"), cwd=home, **options) as process:
            create = [programs / "createdb", "mlflow"]

            def is_created() -> bool:
                assert process.poll() is None
                settings = {**os.environ, **database}
                return subprocess.run(create, env=settings, capture_output=True, timeout=PROCESS_S).returncode == 0

            wait_for(is_created)
            yield database


def postgresql_programs() -> Path:
    """The folder of the newest PostgreSQL there is."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    found = str(debian[-1]) if debian else shutil.which("initdb")
    if found is None:
        pytest.skip("needs the programs of a PostgreSQL server: initdb, postgres, createdb")
    return Path(found).parent


def unprivileged_user() -> str | None:
    """Whom PostgreSQL runs as, which refuses to be root; None for whoever runs the tests."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    pytest.skip("needs a user other than root for PostgreSQL")


@contextlib.contextmanager
def object_store(folder: Path) -> Iterator[dict[str, str]]:
    """An S3 server with an empty bucket; the environment that names it for the MLflow server."""
    import boto3

    port = free_port()
    address = f"http://127.0.0.1:{port}"
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, dict(os.environ), folder / "s3.log") as process:
        wait_for_answer(address, process, folder / "s3.log")
        client = boto3.client(
            "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
        )
        client.create_bucket(Bucket=BUCKET)
        yield {**keys, "MLFLOW_S3_ENDPOINT_URL": address}
        # What the test has logged went there, and not past the server.
        assert client.list_objects_v2(Bucket=BUCKET)["KeyCount"] > 0


@contextlib.contextmanager
def running(
    command: list[object], environment: dict[str, str], log: Path, *, cwd: Path | None = None, **options: object
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as file:
        process = subprocess.Popen(
            [str(part) for part in command],
            env=environment,
            cwd=cwd or log.parent,
            stdout=file,
            stderr=file,
            **options,  # type: ignore[call-overload]
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(PROCESS_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for_answer(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(address, timeout=PROCESS_S):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            assert process.poll() is None, log.read_text()
            return False

    wait_for(answers)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
