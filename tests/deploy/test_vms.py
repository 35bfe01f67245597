"""The configuration for Ray's own launcher is one that Ray takes."""

from __future__ import annotations

import json
import os
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from manifest_checks.rendering import DEPLOY

from bansweep.cluster.allocation import announced_nodes

jsonschema = pytest.importorskip("jsonschema", reason="comes with kubernetes-validate")


@pytest.fixture
def configuration() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "vms" / "aws.yaml").read_text())
    return loaded


@pytest.fixture
def schema() -> dict[str, Any]:
    ray = find_spec("ray")
    assert ray is not None
    assert ray.origin is not None
    loaded: dict[str, Any] = json.loads((Path(ray.origin).parent / "autoscaler" / "ray-schema.json").read_text())
    return loaded


def test_it_fits_rays_schema(configuration: dict[str, Any], schema: dict[str, Any]) -> None:
    jsonschema.validate(configuration, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**configuration, "max_worker": 1}, schema)


@pytest.fixture
def settings(configuration: dict[str, Any], tmp_path: Path) -> dict[str, str]:
    """The environment that a login has after the setup, whose last commands are run here."""
    files = [command for command in configuration["setup_commands"] if "sweeps.env" in command]
    assert files == configuration["setup_commands"][-2:]
    home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    for command in files * 2:  # a machine that is started again is set up again
        subprocess.run(["bash", "-c", command], env=home, check=True)
    assert (tmp_path / ".profile").read_text().count("sweeps.env") == 1
    shown = subprocess.run(["sh", "-lc", "env -0"], env=home, check=True, capture_output=True, text=True)
    return dict(line.split("=", 1) for line in shown.stdout.split("\0") if line)


def test_the_head_knows_what_nodes_there_can_be(configuration: dict[str, Any], settings: dict[str, str]) -> None:
    (group,) = (one for name, one in configuration["available_node_types"].items() if name != "head")
    assert announced_nodes(settings["BANSWEEP_CLUSTER_NODES"]) == [group["resources"]] * group["max_workers"]
    assert configuration["available_node_types"][configuration["head_node_type"]]["resources"] == {"CPU": 0}
    assert settings["BANSWEEP_STORE"].startswith("s3://")


def test_the_token_is_asked_for_and_no_port_is_open(configuration: dict[str, Any], settings: dict[str, str]) -> None:
    assert settings["RAY_AUTH_MODE"] == "token"
    for command in configuration["head_start_ray_commands"] + configuration["worker_start_ray_commands"]:
        assert command.startswith(". ~/sweeps.env && ray start ")
    assert "--dashboard-host=127.0.0.1" in configuration["head_start_ray_commands"][0]
