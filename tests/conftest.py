"""Commands as users run them: in processes of their own, with settings of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_sweep import SWEEP, Command
from forked import ForkedCommand
from hypothesis import HealthCheck, settings
from patience import RAY_TEST_S
from s3_server import KEYS, make_bucket, s3_server

from bansweep.config.data import Digits
from bansweep.data.prepare import prepare
from bansweep.store.store import Store

# How long an example takes says nothing on a busy machine.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# Ray's own 15 leaves a trial a hundredth of a core where others keep all cores busy, whatever limits tests have.
RAY_NICENESS = "0"

READ_AT_IMPORT = ("CUDA_", "HOME", "ONEDNN_", "PYTHON", "RAY_", "TMPDIR")

SETTINGS_OF_USERS = ("MLFLOW_TRACKING_URI", "RAY_ADDRESS", "BANSWEEP_STORE", "BANSWEEP_DATA")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    of_ray = {item.path for item in items if item.get_closest_marker("ray") is not None}
    for item in items:
        if item.get_closest_marker("ray") is not None:
            item.add_marker(pytest.mark.timeout(RAY_TEST_S))
    # Files with long tests first: what is short then fills up the time of whichever process is done first.
    items.sort(key=lambda item: (item.path not in of_ray, "training" not in item.path.parts))


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Without the settings of whoever runs the tests, and with decoded data outside their cache."""
    cache = tmp_path_factory.mktemp("cache")
    prepare(Digits(), cache)
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS_OF_USERS}
    return {**kept, "BANSWEEP_CACHE": str(cache), "RAY_worker_niceness": RAY_NICENESS}


@pytest.fixture(scope="session")
def start(environment: dict[str, str]) -> Iterator[Command]:
    """Start `bansweep ARGUMENTS`, with its output to be read; `env` adds to its environment.

    `run` and `sync` import for seconds: their processes are forked from one that has imported the same. Other commands
    are started as users start them, and so is each that `env` gives what is read at an import.
    """
    started: list[subprocess.Popen[str] | ForkedCommand] = []

    def run(*arguments: object, env: dict[str, str] | None = None) -> subprocess.Popen[str] | ForkedCommand:
        if arguments[0] in ("run", "sync") and not any(name.startswith(READ_AT_IMPORT) for name in env or {}):
            forked = ForkedCommand([*map(str, arguments)], {**environment, **(env or {})})
            started.append(forked)
            return forked
        process = subprocess.Popen(
            [sys.executable, "-m", "bansweep", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**environment, **(env or {})},
            # Whoever runs the tests in the background has Ctrl-C ignored, and ignoring is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        started.append(process)
        return process

    yield run
    # What a failed test left behind would slow down whatever runs next.
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def sweep_file(tmp_path: Path) -> Path:
    path = tmp_path / "demo.yaml"
    path.write_text(SWEEP)
    return path


@pytest.fixture(scope="session")
def s3_settings() -> Iterator[dict[str, str]]:
    """The environment in which an S3 server of the tests' own is found."""
    with s3_server() as address:
        yield {**KEYS, "AWS_ENDPOINT_URL": address}


@pytest.fixture
def bucket(s3_settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty bucket, which this process and those that it starts can reach."""
    for name, value in s3_settings.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    make_bucket(s3_settings["AWS_ENDPOINT_URL"], name)
    return f"s3://{name}"
