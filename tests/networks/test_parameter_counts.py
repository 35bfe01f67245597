"""Counts against those that the paper prints, and against formulas written from the architectures' descriptions."""

from __future__ import annotations

import pytest
import torch

from bansweep.networks.builder import build_network, count_parameters
from bansweep.spec.networks import DenseNet, NetworkSpec, WideResNet, network_from_name


def count(spec: NetworkSpec, *, input_shape: tuple[int, int, int] = (3, 32, 32), classes: int = 10) -> int:
    with torch.device("meta"):
        return count_parameters(build_network(spec, input_shape=input_shape, classes=classes))


@pytest.mark.parametrize(
    ("width", "classes", "millions"),
    [
        (1, 100, "0.375"),
        (2, 100, "1.479"),
        (5, 100, "9.162"),
        (10, 100, "36.54"),
        (1, 10, "0.369"),
        (2, 10, "1.468"),
        (5, 10, "9.133"),
        (10, 10, "36.48"),
    ],
)
def test_wide_resnets_have_their_published_sizes(width: int, classes: int, millions: str) -> None:
    decimals = len(millions.split(".")[1])

    assert f"{count(network_from_name(f'wrn-28-{width}'), classes=classes) / 1e6:.{decimals}f}" == millions


@pytest.mark.parametrize(
    ("depth", "growth", "with_third_transition", "standard"),
    [(90, 60, "16.17", "15.05"), (80, 80, "22.42", "20.95"), (80, 120, "50.36", "47.05")],
)
def test_densenets_have_the_papers_sizes(depth: int, growth: int, with_third_transition: str, standard: str) -> None:
    assert f"{count(network_from_name(f'densenet-{depth}-{growth}')) / 1e6:.2f}" == with_third_transition
    assert f"{count(DenseNet(depth=depth, growth=growth, final_transition=False)) / 1e6:.2f}" == standard


def test_the_densenet_that_the_paper_calls_112_33_has_the_printed_size() -> None:
    assert f"{count(network_from_name('densenet-112-33')) / 1e6:.2f}" == "6.27"


def wide_resnet_formula(blocks: int, width: int, channels: int, classes: int) -> int:
    total = 9 * channels * 16
    inputs = 16
    for outputs in (16 * width, 32 * width, 64 * width):
        for _ in range(blocks):
            total += 2 * inputs + 9 * inputs * outputs + 2 * outputs + 9 * outputs * outputs
            total += inputs * outputs if inputs != outputs else 0
            inputs = outputs
    return total + 2 * inputs + (inputs + 1) * classes


def densenet_formula(units: int, k: int, transitions: int, kept_percent: int, channels: int, classes: int) -> int:
    total = 9 * channels * 2 * k
    inputs = 2 * k
    for block in range(3):
        for _ in range(units):
            total += 2 * inputs + inputs * 4 * k + 2 * 4 * k + 9 * 4 * k * k
            inputs += k
        if block < transitions:
            kept = inputs * kept_percent // 100
            total += 2 * inputs + inputs * kept
            inputs = kept
    return total + 2 * inputs + (inputs + 1) * classes


@pytest.mark.parametrize(("depth", "width", "channels", "classes"), [(10, 1, 1, 10), (16, 2, 3, 7), (22, 3, 4, 2)])
def test_wide_resnet_count_by_formula(depth: int, width: int, channels: int, classes: int) -> None:
    counted = count(WideResNet(depth=depth, width=width), input_shape=(channels, 8, 8), classes=classes)

    assert counted == wide_resnet_formula((depth - 4) // 6, width, channels, classes)


@pytest.mark.parametrize(
    ("depth", "units", "growth", "final_transition", "kept_percent"),
    [(10, 1, 4, True, 50), (16, 2, 4, False, 50), (21, 2, 5, True, 75), (22, 3, 6, True, 25), (10, 1, 4, True, 100)],
)
def test_densenet_count_by_formula(
    depth: int, units: int, growth: int, final_transition: bool, kept_percent: int
) -> None:
    spec = DenseNet(depth=depth, growth=growth, final_transition=final_transition, compression=kept_percent / 100)

    expected = densenet_formula(units, growth, 2 + final_transition, kept_percent, channels=1, classes=10)
    assert count(spec, input_shape=(1, 8, 8)) == expected
