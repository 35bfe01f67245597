"""What a generation takes, and how many fit."""

from __future__ import annotations

import pytest

from bansweep.cluster.allocation import Allocation, allocate, concurrency
from bansweep.config.resources import Resources
from bansweep.errors import ResourcesError

LAPTOP = {"CPU": 4.0, "memory": 1e9}
GPU_BOX = {"CPU": 16.0, "GPU": 4.0}


def allocated(*nodes: dict[str, float], **wanted: object) -> Allocation:
    return allocate(Resources.model_validate(wanted), nodes)


def at_a_time(*nodes: dict[str, float], **wanted: object) -> int:
    return concurrency(allocated(*nodes, **wanted), nodes)


def test_on_a_cpu_a_generation_trains_in_its_trial() -> None:
    assert allocated(LAPTOP) == Allocation(workers=0, cpus=1, gpus=0, compiled=False)


def test_on_gpus_it_is_a_group_of_one_with_a_gpu() -> None:
    assert allocated(GPU_BOX) == Allocation(workers=1, cpus=1, gpus=1, compiled=True)


@pytest.mark.parametrize(
    ("cluster", "wanted", "fitting"),
    [
        (LAPTOP, {"workers": 2}, 2),
        (LAPTOP, {"workers": 3}, 1),
        (LAPTOP, {"cpus_per_worker": 2}, 2),
        (LAPTOP, {"concurrency": 3}, 3),
        (LAPTOP, {"concurrency": 9}, 4),
        (GPU_BOX, {"workers": 2}, 2),
        (GPU_BOX, {"gpus_per_worker": 0.25}, 16),
        (GPU_BOX, {"gpus_per_worker": 0.1}, 16),
        # Three share a GPU, and nobody has parts of two.
        (GPU_BOX, {"gpus_per_worker": 0.3}, 12),
        (GPU_BOX, {"gpus_per_worker": 0.6}, 4),
        (GPU_BOX, {"gpus_per_worker": 0, "workers": 0}, 16),
        (GPU_BOX, {"cpus_per_worker": 8}, 2),
    ],
)
def test_how_many_fit(cluster: dict[str, float], wanted: dict[str, object], fitting: int) -> None:
    assert at_a_time(cluster, **wanted) == fitting


@pytest.mark.parametrize(
    ("cluster", "wanted", "message"),
    [
        (LAPTOP, {"workers": 5}, "needs 5 CPUs, the cluster has 4"),
        (LAPTOP, {"gpus_per_worker": 1}, "needs 1 GPUs, the cluster has 0"),
        (GPU_BOX, {"workers": 5}, "needs 5 GPUs, the cluster has 4"),
    ],
)
def test_what_can_never_fit_is_refused_at_once(
    cluster: dict[str, float], wanted: dict[str, object], message: str
) -> None:
    with pytest.raises(ResourcesError, match=message):
        allocated(cluster, **wanted)


def test_compile_can_be_switched() -> None:
    assert not allocated(GPU_BOX, compile=False).compiled
    assert allocated(LAPTOP, compile=True).compiled


def test_networks_that_recompute_activations_are_not_compiled() -> None:
    assert not allocated(GPU_BOX, recompute=True).compiled


def test_a_process_is_on_one_node() -> None:
    assert at_a_time(LAPTOP, LAPTOP, workers=2, cpus_per_worker=3) == 1
    assert at_a_time(LAPTOP, GPU_BOX) == 4
    with pytest.raises(ResourcesError, match="needs 1 times 5 CPUs, each on one node; 0 fit on the cluster's 2"):
        allocated(LAPTOP, LAPTOP, cpus_per_worker=5)
    with pytest.raises(ResourcesError, match="needs 1 times 1 CPUs and 1 GPUs, each on one node; 0 fit"):
        allocated(LAPTOP, {"CPU": 0, "GPU": 4}, gpus_per_worker=1)


@pytest.mark.parametrize("wanted", [{"gpus_per_worker": 1.5}, {"workers": 2, "gpus_per_worker": 0.5}])
def test_what_ray_or_nccl_cannot_do_is_refused_by_the_file(wanted: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="GPU"):
        Resources.model_validate(wanted)
