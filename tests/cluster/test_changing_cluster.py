"""A sweep on a cluster whose nodes come and go while it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from demo_sweep import Command, ended, ids_of, plan_of, wait_until

from bansweep.store.store import Store

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]

SWEEP = """\
name: changing
data: {kind: digits, limit: 256, test_limit: 100, validation: 56}
recipe: {base: wide-resnet, epochs: 120, batch_size: 32, augmentation: null}
networks: [wrn-10-1]
generations:
  teacher: {loss: labels}
search:
  parameters: {recipe.learning_rate: [0.01, 0.02, 0.03, 0.04]}
  sampler: grid
"""


@pytest.fixture
def cluster(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head that trains nothing, on this machine."""
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    monkeypatch.setenv("RAY_worker_niceness", environment["RAY_worker_niceness"])
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


def trains(node: Any) -> bool:
    """Whether one of the processes that the node's raylet started is a trial's."""
    (raylet,) = node.all_processes["raylet"]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            title = stat.with_name("cmdline").read_text()
        except (OSError, ValueError):  # it has just ended
            continue
        if parent == raylet.process.pid and title.startswith("ray::ImplicitFunc"):
            return True
    return False


def two_are_under_way(candidates: Store) -> bool:
    """Whether two candidates have saved an epoch and are far from their last, so that a node can go before they end."""
    return sum(1 <= candidates.epochs_done(one) <= 60 for one in candidates.begun()) >= 2


@pytest.mark.slow
def test_a_node_that_joins_is_used_and_one_that_is_lost_is_done_without(
    start: Command, cluster: Any, tmp_path: Path
) -> None:
    sweep_file, store = tmp_path / "changing.yaml", Store(tmp_path / "store")
    sweep_file.write_text(SWEEP)
    (generation_id,) = ids_of(plan_of(sweep_file)).values()
    first = cluster.add_node(num_cpus=1)
    driver = start("run", sweep_file, "--store", store.directory, "--address", cluster.address, "--json")
    wait_until(lambda: trains(first), driver)

    second = cluster.add_node(num_cpus=1)
    wait_until(lambda: trains(first) and trains(second), driver)
    wait_until(lambda: two_are_under_way(store.candidates), driver)
    assert store.search_counts(generation_id)["running"] == 2

    cluster.remove_node(first, allow_graceful=False)
    out, messages = ended(driver)
    assert json.loads(out)["trained"] == [generation_id]
    assert "goes on after epoch" in messages
    record = store.record(generation_id)
    assert record is not None
    assert [one.outcome for one in record.candidates] == ["finished"] * 4
    assert {number: len(history) for number, history in store.candidate_histories(generation_id).items()} == {
        1: 120,
        2: 120,
        3: 120,
        4: 120,
    }
    assert store.ids() == (generation_id,)
    assert store.candidates.everything() == set()
