"""The overlays as `kubectl apply -k` would send them."""

from __future__ import annotations

import shutil
import subprocess
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from patience import PROCESS_S

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy"
OVERLAYS = sorted(path.name for path in (DEPLOY / "overlays").iterdir())
SWEEPS = sorted(path.name for path in (PROJECT / "sweeps").glob("*.yaml"))

Manifest = dict[str, Any]


def rendered(overlay: str) -> list[Manifest]:
    """The objects of an overlay, to change at will. Skips where nothing can render them."""
    return built(DEPLOY / "overlays" / overlay)


def built(folder: Path) -> list[Manifest]:
    """The objects of a folder with a kustomization."""
    return deepcopy(list(yaml.load_all(_built(folder), Loader=yaml.CSafeLoader)))


@cache
def _built(folder: Path) -> str:
    if shutil.which("kubectl"):
        command = ["kubectl", "kustomize", str(folder)]
    elif shutil.which("kustomize"):
        command = ["kustomize", "build", str(folder)]
    else:
        pytest.skip("neither kubectl nor kustomize is here to render the overlays")
    run = subprocess.run(command, capture_output=True, text=True, timeout=PROCESS_S)
    assert run.returncode == 0, run.stderr
    return run.stdout
