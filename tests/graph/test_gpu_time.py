"""When a GPU is bound by arithmetic, when by launches, and when by kernels of processes that share it."""

from __future__ import annotations

import pytest

from bansweep.config.networks import network_from_name
from bansweep.graph.cost import gpu_seconds
from bansweep.graph.operations import Images, network_size
from bansweep.graph.workload import Work

CIFAR_100 = Images(3, 32, 32, classes=100)
RATE = 125e12
BATCH = 128


def step_of(name: str) -> Work:
    size = network_size(network_from_name(name), CIFAR_100)
    return Work(3 * BATCH * size.operations, size.layers, trains=True, compilable=True)


def seconds(work: Work, *, gpus: float = 1.0, compiled: bool = True) -> float:
    return gpu_seconds(work, arithmetic_s=work.operations / RATE, gpus=gpus, compiled=compiled)


def test_a_small_networks_step_takes_what_is_expected_of_it() -> None:
    """Expected of WRN-28-1 on an H200, not measured: 1 to 1.5 ms compiled, 3 to 4 ms eager; by arithmetic 0.17 ms."""
    step = step_of("wrn-28-1")
    assert step.operations / RATE < 0.2e-3
    assert 1e-3 <= seconds(step) <= 1.5e-3
    assert 3e-3 <= seconds(step, compiled=False) <= 4e-3
    # The device alone, which several processes can keep busy: 0.6 to 1 ms.
    assert 0.6e-3 <= seconds(step, gpus=0.25) / 4 <= 1e-3


def test_a_small_densenets_step_is_nearly_alike() -> None:
    assert 1e-3 <= seconds(step_of("densenet-40-12")) <= 2e-3


@pytest.mark.parametrize("name", ["wrn-28-10", "densenet-90-60"])
def test_a_large_networks_step_is_bound_by_arithmetic(name: str) -> None:
    step = step_of(name)
    assert seconds(step) == seconds(step, compiled=False) == step.operations / RATE
    assert 10e-3 <= seconds(step) <= 50e-3


def test_several_workers_share_arithmetic_and_not_launches() -> None:
    small, large = step_of("wrn-28-1"), step_of("wrn-28-10")
    assert seconds(small, gpus=4) == seconds(small)
    assert seconds(large, gpus=4) == pytest.approx(seconds(large) / 4)


def test_sharing_a_gpu_saves_what_it_would_be_idle() -> None:
    """A quarter of a GPU is held for longer, but costs fewer hours of a GPU: never fewer than its kernels run."""
    small, large = step_of("wrn-28-1"), step_of("wrn-28-10")
    assert seconds(small) <= seconds(small, gpus=0.25) < 4 * seconds(small)
    assert seconds(small, gpus=0.125) / 8 == pytest.approx(seconds(small, gpus=0.25) / 4)
    assert seconds(large, gpus=0.25) == pytest.approx(4 * seconds(large))


def test_recurrent_layers_take_kernels_for_each_time_step() -> None:
    window = Work(operations=0, layers=1, time_steps=35 * 2, trains=True)
    # 70 time steps of 4 launches each, and a layer of 12, of 5 µs.
    assert seconds(window) == pytest.approx(5e-6 * (70 * 4 + 12))
    forward = Work(operations=0, layers=1, time_steps=35 * 2)
    assert seconds(forward) == pytest.approx(seconds(window) / 3)


def test_forward_passes_are_not_compiled() -> None:
    work = Work(operations=0, layers=30)
    assert seconds(work) == seconds(work, compiled=False) == pytest.approx(5e-6 * 30 * 12 / 3)
