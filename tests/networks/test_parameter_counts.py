"""Counts against those that the paper prints, and against formulas written from the architectures' descriptions."""

from __future__ import annotations

from decimal import Decimal

import pytest
import torch

from bansweep.config.networks import (
    DenseNet,
    ImageNetworkSpec,
    PreResNet,
    ResidualStudent,
    WideResNet,
    is_language_model,
    network_from_name,
)
from bansweep.config.paper_networks import PAPER_NETWORKS, Counted, PaperNetwork
from bansweep.networks.build import build_language_model, build_network, count_parameters
from bansweep.networks.counting import count_as_printed


def count(spec: ImageNetworkSpec, *, input_shape: tuple[int, int, int] = (3, 32, 32), classes: int = 10) -> int:
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


def millions_as_printed(name: str, *, classes: int, counted: Counted) -> Decimal:
    spec = network_from_name(name)
    with torch.device("meta"):
        if is_language_model(spec):
            words = [f"{index:x}" for index in range(classes)]
            return Decimal(count_as_printed(build_language_model(spec, vocabulary=words), counted)) / 1_000_000
        network = build_network(spec, input_shape=(3, 32, 32), classes=classes)
    return Decimal(count_as_printed(network, counted)) / 1_000_000


def is_close(counted: Decimal, printed: str) -> bool:
    """Within 1 % or half a unit of the last printed digit."""
    exponent = Decimal(printed).as_tuple().exponent
    assert isinstance(exponent, int)
    return abs(counted - Decimal(printed)) <= max(Decimal(printed) / 100, Decimal(5).scaleb(exponent - 1))


@pytest.mark.parametrize("entry", PAPER_NETWORKS, ids=lambda entry: f"table{entry.table}-{entry.name}")
def test_printed_sizes_are_reproduced_or_said_not_to_be(entry: PaperNetwork) -> None:
    counted = millions_as_printed(entry.name, classes=entry.classes, counted=entry.counted)

    assert is_close(counted, entry.printed) == (entry.agreement == "close")
    if entry.agreement == "cut off":
        assert int(counted) == int(entry.printed), "without its decimals"
    assert (entry.agreement == "close") or entry.remark


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("densenet-90-60", "16.24"),
        ("densenet-90-60-compr*0.5", "4.10"),
        ("densenet-90-60-compr*0.75", "9.17"),
        ("densenet-90-60-compr*1.5", "36.41"),
        ("ban-pre-resnet-14-0.5", "5.69"),
        ("ban-pre-resnet-14-1", "20.40"),
    ],
)
def test_what_differs_from_the_paper_has_the_size_that_we_state(name: str, millions: str) -> None:
    (entry,) = (one for one in PAPER_NETWORKS if one.name == name and one.agreement == "differs")

    assert f"{millions_as_printed(name, classes=entry.classes, counted=entry.counted):.2f}" == millions


def test_nothing_else_differs() -> None:
    differing = [entry.name for entry in PAPER_NETWORKS if entry.agreement != "close"]

    assert differing == [
        "wrn-28-10",
        "densenet-90-60",
        "densenet-90-60-compr*0.5",
        "densenet-90-60-compr*0.75",
        "densenet-90-60-compr*1.5",
        "ban-pre-resnet-14-0.5",
        "ban-pre-resnet-14-1",
        "lstm",
    ]


@pytest.mark.parametrize(("factor", "millions"), [("0.5", "21.35"), ("2", "13.74"), ("3", "12.95"), ("4", "12.60")])
def test_table_4s_depths(factor: str, millions: str) -> None:
    assert f"{count(network_from_name(f'densenet-90-60-depth*{factor}'), classes=100) / 1e6:.2f}" == millions


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("ban-wide-resnet-1-1", "20.99"),
        ("ban-match-wide-resnet-2-1", "43.11"),
        ("ban-wide-resnet-4-0.5", "24.33"),
        ("ban-wide-resnet-4-1", "87.35"),
    ],
)
def test_table_5s_basic_students_without_first_and_last_layer(name: str, millions: str) -> None:
    assert f"{millions_as_printed(name, classes=100, counted='without first and last layer'):.2f}" == millions


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


def pre_resnet_formula(blocks: int, channels: int, classes: int) -> int:
    total = 9 * channels * 16
    inputs = 16
    for inner in (16, 32, 64):
        for _ in range(blocks):
            outputs = 4 * inner
            total += 2 * inputs + inputs * inner + 2 * inner + 9 * inner * inner + 2 * inner + inner * outputs
            total += inputs * outputs if inputs != outputs or (inner == 16 and inputs == 16) else 0
            inputs = outputs
    return total + 2 * inputs + (inputs + 1) * classes


def residual_student_formula(
    block: str, blocks: int, widths: tuple[int, ...], outputs: tuple[int, ...], stem: int, classes: int
) -> int:
    total = 9 * 3 * stem
    inputs = stem
    for width, output in zip(widths, outputs, strict=True):
        for _ in range(blocks):
            if block == "basic":
                total += 2 * inputs + 9 * inputs * width + 2 * width + 9 * width * width
            else:
                inner = round(width / 4)
                total += 2 * inputs + inputs * inner + 2 * inner + 9 * inner * inner + 2 * inner + inner * width
            total += inputs * width if inputs != width else 0
            inputs = width
        total += 2 * inputs + inputs * output
        inputs = output
    return total + 2 * inputs + (inputs + 1) * classes


@pytest.mark.parametrize(("depth", "channels", "classes"), [(11, 1, 10), (20, 3, 7), (29, 4, 2)])
def test_pre_resnet_count_by_formula(depth: int, channels: int, classes: int) -> None:
    counted = count(PreResNet(depth=depth), input_shape=(channels, 8, 8), classes=classes)

    assert counted == pre_resnet_formula((depth - 2) // 9, channels, classes)


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize(
    ("blocks", "ratio", "widths"), [(1, 1, (480, 660, 750)), (3, 0.5, (240, 330, 375)), (2, 2, (960, 1320, 1500))]
)
def test_residual_student_count_by_formula(block: str, blocks: int, ratio: float, widths: tuple[int, ...]) -> None:
    fields = {"block": block, "blocks": blocks, "ratio": ratio, "like": "densenet-90-60"}
    expected = residual_student_formula(block, blocks, widths, (480, 660, 750), 120, 100)

    assert count(ResidualStudent.model_validate(fields), classes=100) == expected
