"""What follows from a network's parameters, and how sweep files write it in full."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bansweep.config.networks import DenseNet, ResidualStudent, network_from_name
from bansweep.config.reading import parse_sweep
from bansweep.errors import SweepFileError


@pytest.mark.parametrize("factor", ["0.5", "1", "2", "3", "4"])
def test_depth_keeps_the_channels_after_every_stage(factor: str) -> None:
    spec = network_from_name(f"densenet-90-60-depth*{factor}")

    assert (spec.stem_channels, spec.stage_channels) == (120, (480, 660, 750))


@given(st.integers(1, 40), st.integers(1, 200), st.integers(1, 400) | st.none(), st.integers(1, 6))
def test_depth_times_a_divisor_of_the_growth(units: int, growth: int, stem: int | None, factor: int) -> None:
    base = DenseNet(depth=6 * units + 4, growth=growth * factor, stem=stem)

    deeper = network_from_name(f"{base.name}-depth*{factor}")

    assert isinstance(deeper, DenseNet)
    assert (deeper.units, deeper.growth) == (units * factor, growth)
    assert (deeper.stem_channels, deeper.stage_channels) == (base.stem_channels, base.stage_channels)


@pytest.mark.parametrize(
    ("name", "stem", "stages", "downsampling"),
    [
        ("wrn-28-10", 16, (160, 320, 640), (1, 2, 4)),
        ("densenet-90-60", 120, (480, 660, 750), (2, 4, 4)),
        ("densenet-90-60-standard", 120, (480, 660, 1500), (2, 4, 4)),
        ("densenet-10-1-compression0.01", 2, (1, 1, 1), (2, 4, 4)),
        ("pre-resnet-1001", 16, (64, 128, 256), (1, 2, 4)),
        ("ban-wide-resnet-4-0.5", 120, (480, 660, 750), (2, 4, 4)),
        ("ban-pre-resnet-1-1-like-densenet-90-60-standard", 120, (480, 660, 1500), (2, 4, 4)),
    ],
)
def test_channels_and_resolutions(
    name: str, stem: int, stages: tuple[int, int, int], downsampling: tuple[int, int, int]
) -> None:
    spec = network_from_name(name)

    assert (spec.stem_channels, spec.stage_channels, spec.downsampling) == (stem, stages, downsampling)


@pytest.mark.parametrize(
    ("ratio", "widths"), [(1, (480, 660, 750)), (0.5, (240, 330, 375)), (0.001, (1, 1, 1)), (1.1, (528, 726, 825))]
)
def test_residual_blocks_are_a_fraction_of_their_stages_output(ratio: float, widths: tuple[int, int, int]) -> None:
    spec = ResidualStudent(block="basic", blocks=1, ratio=ratio, like=DenseNet(depth=90, growth=60))

    assert spec.block_channels == widths


SWEEP = """\
name: demo
data: cifar10
recipe: wide-resnet
networks: [{network}]
generations: {{teacher: {{loss: labels}}}}
"""


@pytest.mark.parametrize(
    "like", ["densenet-40-12", "{depth: 40, growth: 12}", "{kind: densenet, depth: 40, growth: 12}"]
)
def test_a_residual_student_in_full(like: str) -> None:
    network = f"{{kind: residual-student, block: bottleneck, blocks: 2, ratio: 0.5, like: {like}}}"

    (row,) = parse_sweep(SWEEP.format(network=network)).networks

    assert row.name == "ban-pre-resnet-2-0.5-like-densenet-40-12"
    assert row.network == ResidualStudent(block="bottleneck", blocks=2, ratio=0.5, like=DenseNet(depth=40, growth=12))


@pytest.mark.parametrize(
    ("network", "key", "message"),
    [
        ("wrn-25-10", "networks[0]", "wrn-25-10: a Wide-ResNet's depth is 6n + 4: 25 is not, 22 and 28 are"),
        ("{kind: pre-resnet, depth: 12}", "networks[0]", "12 is not, 11 and 20 are"),
        (
            "{kind: residual-student, block: basic, blocks: 1, ratio: 1, like: wrn-10-1}",
            "networks[0].like",
            "'wrn-10-1' is no DenseNet's name",
        ),
        ("{kind: residual-student, block: basic, blocks: 1, ratio: 1}", "networks[0]", "'like' is missing"),
        (
            "{kind: residual-student, block: basik, blocks: 1, ratio: 1, like: densenet-40-12}",
            "networks[0].block",
            "'basic' or 'bottleneck', not 'basik'",
        ),
        ("{kind: densenet, depth: 40, growth: 12, stem: 0}", "networks[0].stem", "greater than or equal to 1, not 0"),
        ("{kind: pre-resnt, depth: 11}", "networks[0]", "did you mean 'pre-resnet'?"),
    ],
)
def test_wrong_networks_in_sweep_files(network: str, key: str, message: str) -> None:
    with pytest.raises(SweepFileError) as caught:
        parse_sweep(SWEEP.format(network=network))

    (problem,) = caught.value.problems
    assert problem.key == key
    assert message in problem.message


def test_a_wrong_growth_is_one_problem_whatever_the_stem() -> None:
    with pytest.raises(ValidationError) as caught:
        DenseNet.model_validate({"depth": 40, "growth": 0, "stem": 24})

    assert [line["loc"] for line in caught.value.errors()] == [("growth",)]
