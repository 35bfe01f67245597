"""The configuration for Ray's own launcher is one that Ray takes."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from manifest_checks.rendering import DEPLOY

from bansweep.cluster.nodes import announced_nodes

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


def test_the_head_knows_what_nodes_there_can_be(configuration: dict[str, Any]) -> None:
    (command,) = configuration["head_start_ray_commands"]
    settings = dict(word.split("=", 1) for word in command.split() if "=" in word and not word.startswith("--"))
    (group,) = (one for name, one in configuration["available_node_types"].items() if name != "head")
    assert announced_nodes(settings["BANSWEEP_CLUSTER_NODES"]) == [group["resources"]] * group["max_workers"]
    assert configuration["available_node_types"][configuration["head_node_type"]]["resources"] == {"CPU": 0}


def test_the_token_is_asked_for_and_no_port_is_open(configuration: dict[str, Any]) -> None:
    for command in configuration["head_start_ray_commands"] + configuration["worker_start_ray_commands"]:
        assert "RAY_AUTH_MODE=token" in command
    assert "--dashboard-host=127.0.0.1" in configuration["head_start_ray_commands"][0]
