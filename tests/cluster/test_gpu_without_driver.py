"""A node that has a GPU for Ray and no NVIDIA driver: the first training there says so, whatever process it runs in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from demo_sweep import TINY, Command, ended

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("default"),
    pytest.mark.skipif(torch.cuda.is_available(), reason="this machine's GPU works"),
]


@pytest.fixture
def address(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    monkeypatch.setenv("RAY_worker_niceness", environment["RAY_worker_niceness"])
    from ray.cluster_utils import Cluster

    resources: dict[str, Any] = {"num_cpus": 2, "num_gpus": 1}
    cluster = Cluster(initialize_head=True, head_node_args={**resources, "include_dashboard": False})
    yield cluster.address
    cluster.shutdown()


@pytest.mark.parametrize(
    "resources", ["{workers: 0, gpus_per_worker: 0.5}", pytest.param("{workers: 1}", marks=pytest.mark.slow)]
)
def test_training_fails_with_cause_and_remedy_instead_of_using_the_cpu(
    resources: str, address: str, start: Command, tmp_path: Path
) -> None:
    sweep_file = tmp_path / "tiny.yaml"
    sweep_file.write_text(f"{TINY}resources: {resources}\n")
    _, err = ended(start("run", sweep_file, "--store", tmp_path / "store", "--address", address), status=1)
    assert "no NVIDIA driver that this process can see: torch " in err or "is built for CPUs only" in err
    assert "resources.gpus_per_worker: 0 trains on CPUs" in err
    assert not list((tmp_path / "store" / "generations").glob("*"))
