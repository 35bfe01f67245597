"""A run keeps its secrets: they are in no file that Ray, MLflow or bansweep writes, and on no command line."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from demo_sweep import Command, ended

from bansweep.cluster.ray_environment import credentials_kept_from_trials

SWEEP = """\
name: secrets
data: {kind: digits, limit: 32, test_limit: 16}
recipe: {base: wide-resnet, epochs: 2, batch_size: 32, learning_rate: 0.02, augmentation: null}
networks: [wrn-10-1]
generations:
  teacher: {loss: labels}
  ban: {loss: kd, teacher: teacher}
"""

# Each kind of secret that docs/security.md names. Nothing answers at the tracking server's address.
SECRETS = {
    "AWS_ACCESS_KEY_ID": "planted-access-key",
    "AWS_SECRET_ACCESS_KEY": "planted-secret-key",
    "AWS_SECURITY_TOKEN": "planted-security-token",
    "AWS_SESSION_TOKEN": "planted-session-token",
    "MLFLOW_TRACKING_URI": "http://planted-user:planted-uri-password@127.0.0.1:9",
    "MLFLOW_TRACKING_USERNAME": "planted-user-name",
    "MLFLOW_TRACKING_PASSWORD": "planted-password",
    "MLFLOW_TRACKING_TOKEN": "planted-bearer-token",
}
RAY_TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "planted-ray-token-of-more-than-32-characters"}
MARK = b"planted-"


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for all temporary files of a run. Its path is short: Ray's sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="bs-", dir="/tmp") as folder:
        yield Path(folder)


class CommandLines(threading.Thread):
    """Reads the command lines of all processes again and again, and keeps those with a planted secret."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.found: set[bytes] = set()
        self.workers_seen = 0
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.05):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):  # the process has ended
                    line = file.read_bytes()
                    self.workers_seen += b"ray::" in line
                    if MARK in line:
                        self.found.add(line)

    def end(self) -> None:
        self._ended.set()
        self.join()


def files_with_secrets(folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert files
    return [path for path in files if MARK in path.read_bytes()]


@pytest.mark.ray
@pytest.mark.parametrize(
    ("token", "workers"),
    [
        pytest.param({}, 0, id="own token-trial's process"),
        pytest.param(RAY_TOKEN, 1, id="planted token-worker group"),
        pytest.param({}, 1, id="own token-worker group", marks=pytest.mark.slow),
        pytest.param(RAY_TOKEN, 0, id="planted token-trial's process", marks=pytest.mark.slow),
    ],
)
def test_a_run_writes_no_secret_anywhere(
    start: Command, temporary: Path, tmp_path: Path, workers: int, token: dict[str, str]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    # Without the address of a server, MLflow's database is a file in the store, and searched with it.
    tracking = SECRETS if token else {name: value for name, value in SECRETS.items() if name != "MLFLOW_TRACKING_URI"}
    planted = {**tracking, **token, "TMPDIR": str(temporary), "HOME": str(home), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    lines = CommandLines()
    lines.start()
    try:
        options = ["--store", tmp_path / "store", "--set", f"resources.workers={workers}"]
        _, err = ended(start("run", tmp_path / "sweep.yaml", *options, env=planted))
    finally:
        lines.end()
    assert "2 trained" in err
    assert "planted-" not in err
    if token:
        assert "MLflow lacks 2 generations (MLflow at http://***@127.0.0.1:9: Connection refused)" in err
    assert list(temporary.glob("ray/session_*/logs/runtime_env_agent.log")), "the session that is searched is Ray's"
    assert lines.workers_seen, "the command lines of Ray's workers were read"
    assert lines.found == set()
    assert files_with_secrets(temporary) == []
    assert files_with_secrets(tmp_path) == []
    assert not (home / ".ray").exists(), "Ray would write its token where every user can read it"


def test_tune_copies_no_variable_that_holds_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else Tune and Train propagate: the environment of a trial is built, and searched."""
    from ray.train.v2._internal.constants import get_env_vars_to_propagate
    from ray.tune.execution import class_cache

    before = set(class_cache.ENV_VARS_TO_PROPAGATE)
    for name in (*SECRETS, *RAY_TOKEN):
        monkeypatch.setenv(name, "planted-value")

    class Trainable:
        pass

    with credentials_kept_from_trials():
        actor = class_cache._ActorClassCache().get(Trainable)
    variables = actor._default_options["runtime_env"]["env_vars"]
    assert "PL_DISABLE_FORK" in variables, "it is the environment of a trial"
    assert "planted-value" not in variables.values()
    assert "planted-value" not in get_env_vars_to_propagate().values()
    assert os.environ["AWS_ACCESS_KEY_ID"] == "planted-value", "the driver keeps its own"
    assert before == class_cache.ENV_VARS_TO_PROPAGATE, "so do other experiments of the same process"
