"""What a cluster says that it can have, and how many generations that is."""

from __future__ import annotations

import pytest

from bansweep.cluster.allocation import Capacity, allocate, announced_nodes, nodes_of_environment, with_announced
from bansweep.config.resources import Resources
from bansweep.errors import ResourcesError


def test_groups_of_nodes_are_so_many_nodes() -> None:
    gpu, cpu = {"CPU": 6.0, "GPU": 1.0}, {"CPU": 2.5}
    assert announced_nodes("2*CPU:6,GPU:1  1*CPU:2.5\n") == [gpu, gpu, cpu]
    assert announced_nodes("0*CPU:6") == []
    assert announced_nodes("") == []


@pytest.mark.parametrize(
    "text", ["CPU:6", "2*", "2*CPU", "2*CPU:", "x*CPU:1", "2*CPU:-1", "2*CPU:1,", "1*CPU:1;1*CPU:1"]
)
def test_what_cannot_be_read_is_shown_with_an_example(text: str) -> None:
    with pytest.raises(ResourcesError, match="BANSWEEP_CLUSTER_NODES: ") as refused:
        announced_nodes(text)
    assert "8*CPU:6,GPU:1" in refused.value.remedy


def test_the_capacity_follows_the_cluster() -> None:
    head, worker = {"CPU": 0.0}, {"CPU": 2.0}
    nodes, now, looks = [head, worker], [0.0], []

    def there() -> list[dict[str, float]]:
        looks.append(now[0])
        return nodes

    capacity = Capacity(allocate(Resources(), nodes), there, clock=lambda: now[0])
    assert capacity() == 2
    nodes.append(worker)
    assert capacity() == 2, "it does not ask Ray ten times a second"
    now[0] = 5.0
    assert capacity() == 4
    nodes[:] = [head]
    now[0] = 10.0
    assert capacity() == 1, "something has to ask for a node"
    assert looks == [0.0, 5.0, 10.0]


def test_the_files_limit_holds_on_a_larger_cluster() -> None:
    nodes = announced_nodes("9*CPU:2")
    assert Capacity(allocate(Resources(concurrency=3), nodes), lambda: nodes)() == 3


def test_a_cluster_of_a_head_alone_is_told_of_the_variable() -> None:
    with pytest.raises(ResourcesError) as refused:
        allocate(Resources(), [{"CPU": 0.0}])
    assert "BANSWEEP_CLUSTER_NODES" in refused.value.remedy


def test_of_each_size_there_are_as_many_as_announced_or_more() -> None:
    head, small, large = {"CPU": 0.0, "GPU": 0.0}, {"CPU": 4.0, "GPU": 0.0}, {"CPU": 6.0, "GPU": 1.0}
    ray_head = {"node:__internal_head__": 1.0, "memory": 1e9}
    ray_large = {**large, "accelerator_type:T4": 1.0}

    def counts(*nodes: dict[str, float]) -> list[int]:
        merged = with_announced(nodes, announced_nodes("2*CPU:6,GPU:1"))
        assert len(merged) == sum(map(merged.count, (head, small, large)))
        return [merged.count(head), merged.count(small), merged.count(large)]

    assert counts(ray_head) == [1, 0, 2], "nothing but the head is there yet"
    assert counts(ray_head, ray_large) == [1, 0, 2], "one of the two that can be has come"
    assert counts(ray_head, ray_large, ray_large, ray_large) == [1, 0, 3], "somebody has allowed it more"
    assert counts(ray_head, small) == [1, 1, 2], "a node that nobody announced can be used, too"


def test_the_environment_announces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BANSWEEP_CLUSTER_NODES", raising=False)
    assert nodes_of_environment() == []
    monkeypatch.setenv("BANSWEEP_CLUSTER_NODES", "1*CPU:3")
    assert nodes_of_environment() == [{"CPU": 3.0}]
