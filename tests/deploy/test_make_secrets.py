"""deploy/make-secrets.sh with a kubectl that only writes down what it was asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from manifest_checks.references import SECRETS
from manifest_checks.rendering import DEPLOY
from patience import PROCESS_S

# Says that a Secret exists where there is a file of its name; else keeps its arguments and what it read.
KUBECTL = """#!/bin/sh
echo "$@" >> "$RECORD/arguments"
case "$1" in
  get) test -e "$RECORD/$3" ;;
  create) cat > "$RECORD/$4"; echo "secret/$4 created" ;;
esac
"""


@pytest.fixture
def record(tmp_path: Path) -> Path:
    for program in ("bash", "openssl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not here")
    (tmp_path / "bin").mkdir()
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.write_text(KUBECTL)
    kubectl.chmod(0o755)
    (tmp_path / "record").mkdir()
    return tmp_path / "record"


def make_secrets(record: Path, **environment: str) -> str:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    path = f"{record.parent / 'bin'}:{os.environ['PATH']}"
    run = subprocess.run(
        [str(DEPLOY / "make-secrets.sh"), "elsewhere"],
        env={**clean, **environment, "PATH": path, "RECORD": str(record)},
        capture_output=True,
        text=True,
        timeout=PROCESS_S,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout + run.stderr + (record / "arguments").read_text()


def values(record: Path, name: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (record / name).read_text().splitlines())


def test_every_key_is_made(record: Path) -> None:
    told = make_secrets(record)
    assert "--namespace elsewhere" in told
    for name, keys in SECRETS.items():
        made = values(record, name)
        assert set(made) == keys
        for key in keys - {"username"}:
            assert len(made[key]) >= 32
            assert made[key] not in told  # neither printed nor in an argument
    assert len({values(record, name)["password"] for name in ("bansweep-postgres", "bansweep-mlflow")}) == 2


def test_keys_of_a_real_object_store_are_taken(record: Path) -> None:
    told = make_secrets(record, AWS_ACCESS_KEY_ID="AKIAEXAMPLE", AWS_SECRET_ACCESS_KEY="of+the/store=")
    expected = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "of+the/store="}
    assert values(record, "bansweep-s3") == expected
    assert "of+the/store=" not in told


def test_what_exists_stays(record: Path) -> None:
    make_secrets(record)
    before = {name: (record / name).read_text() for name in SECRETS}
    assert "secret/bansweep-mlflow exists" in make_secrets(record)
    assert {name: (record / name).read_text() for name in SECRETS} == before
