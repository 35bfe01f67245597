"""Networks' names: that they tell the network, and what is said of wrong ones."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bansweep.config.networks import (
    CnnLstm,
    DenseNet,
    Lstm,
    NetworkSpec,
    PreResNet,
    ResidualStudent,
    WideResNet,
    network_from_name,
)

dropouts = st.just(0.0) | st.floats(0, 1, exclude_max=True)
wide_resnets = st.builds(
    lambda n, width, dropout: WideResNet(depth=6 * n + 4, width=width, dropout=dropout),
    st.integers(1, 682),
    st.integers(1, 1024),
    dropouts,
)
densenets = st.builds(
    DenseNet,
    depth=st.integers(10, 4096) | st.just(112),
    growth=st.integers(1, 4096) | st.just(33),
    stem=st.none() | st.integers(1, 8192),
    compression=st.just(0.5) | st.floats(0, 1, exclude_min=True),
    final_transition=st.booleans(),
    dropout=dropouts,
)
pre_resnets = st.builds(lambda n: PreResNet(depth=9 * n + 2), st.integers(1, 455))
students = st.builds(
    ResidualStudent,
    block=st.sampled_from(["basic", "bottleneck"]),
    blocks=st.integers(1, 1024),
    ratio=st.integers(1, 4) | st.floats(0, 4, exclude_min=True),
    like=st.just(DenseNet(depth=90, growth=60)) | densenets,
)

ranges = st.floats(0, 100, exclude_min=True)
lstms = st.builds(
    Lstm,
    units=st.integers(1, 65_536),
    layers=st.integers(1, 64),
    dropout=dropouts,
    tied=st.booleans(),
    initial_range=ranges | st.just(0.04),
)
cnn_lstms = st.builds(
    CnnLstm,
    units=st.integers(1, 65_536),
    layers=st.integers(1, 64),
    dropout=dropouts,
    initial_range=ranges | st.just(0.05),
    character_embedding=st.integers(1, 4096),
    widths=st.just((1, 2, 3, 4, 5, 6, 7)) | st.lists(st.integers(1, 64), min_size=1, max_size=5).map(tuple),
    maps_per_width=st.integers(1, 4096),
    most_maps=st.integers(1, 65_536),
    highway=st.integers(0, 64),
)


@given(wide_resnets | densenets | pre_resnets | students | lstms | cnn_lstms)
def test_every_name_reads_back_as_its_network(spec: NetworkSpec) -> None:
    assert network_from_name(spec.name) == spec


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("lstm", Lstm()),
        ("lstm-200-2-dropout0.2", Lstm(units=200, layers=2, dropout=0.2)),
        ("lstm-1500-2-untied-range0.1", Lstm(tied=False, initial_range=0.1)),
        ("cnn-lstm", CnnLstm()),
        (
            "cnn-lstm-100-1-widths1.2.3-maps10-highway1",
            CnnLstm(units=100, layers=1, widths=(1, 2, 3), maps_per_width=10, highway=1),
        ),
        ("wrn-28-10-dropout0.3", WideResNet(depth=28, width=10, dropout=0.3)),
        ("densenet-172-30-stem120", DenseNet(depth=172, growth=30, stem=120)),
        (
            "densenet-40-12-compression0.7-standard-dropout0.2",
            DenseNet(depth=40, growth=12, compression=0.7, final_transition=False, dropout=0.2),
        ),
        ("densenet-112-33", DenseNet(depth=106, growth=33, final_transition=False)),
        ("densenet-112-33-dropout0.2", DenseNet(depth=106, growth=33, final_transition=False, dropout=0.2)),
        ("densenet-112-33-transition", DenseNet(depth=112, growth=33)),
        ("densenet-112-33-standard", DenseNet(depth=112, growth=33, final_transition=False)),
        ("densenet-90-60-depth*0.5", DenseNet(depth=46, growth=120, stem=120)),
        ("densenet-90-60-depth*1", DenseNet(depth=90, growth=60)),
        ("densenet-90-60-depth*2", DenseNet(depth=172, growth=30, stem=120)),
        ("densenet-90-60-depth*3", DenseNet(depth=256, growth=20, stem=120)),
        ("densenet-90-60-depth*4", DenseNet(depth=340, growth=15, stem=120)),
        ("densenet-112-33-depth*3", DenseNet(depth=310, growth=11, stem=66, final_transition=False)),
        ("densenet-40-12-standard-depth*2", DenseNet(depth=76, growth=6, stem=24, final_transition=False)),
        ("densenet-90-60-compr*0.5", DenseNet(depth=90, growth=30)),
        ("densenet-90-60-compr*0.75", DenseNet(depth=90, growth=45)),
        ("densenet-90-60-compr*1.5", DenseNet(depth=90, growth=90)),
        ("densenet-40-12-stem20-compr*0.5", DenseNet(depth=40, growth=6, stem=10)),
        ("pre-resnet-1001", PreResNet(depth=1001)),
        (
            "ban-wide-resnet-4-0.5",
            ResidualStudent(block="basic", blocks=4, ratio=0.5, like=DenseNet(depth=90, growth=60)),
        ),
        (
            "ban-match-wide-resnet-2-1",
            ResidualStudent(block="basic", blocks=2, ratio=1, like=DenseNet(depth=90, growth=60)),
        ),
        (
            "ban-pre-resnet-14-1-like-densenet-112-33",
            ResidualStudent(
                block="bottleneck", blocks=14, ratio=1, like=DenseNet(depth=106, growth=33, final_transition=False)
            ),
        ),
    ],
)
def test_names_and_what_they_mean(name: str, spec: NetworkSpec) -> None:
    assert network_from_name(name) == spec


def test_names_are_as_short_as_they_can_be() -> None:
    assert network_from_name("densenet-90-60-depth*2").name == "densenet-172-30-stem120"
    assert network_from_name("ban-match-wide-resnet-2-1.0-like-densenet-90-60").name == "ban-wide-resnet-2-1"
    assert network_from_name("densenet-40-12-stem24-compression0.50").name == "densenet-40-12"


def test_a_stem_of_twice_the_growth_is_the_default_and_no_part_of_an_id() -> None:
    spelled_out = DenseNet(depth=40, growth=12, stem=24)

    assert spelled_out == DenseNet(depth=40, growth=12)
    assert spelled_out.model_dump(exclude_defaults=True) == {"depth": 40, "growth": 12}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wrn-25-10", "wrn-25-10: a Wide-ResNet's depth is 6n + 4: 25 is not, 22 and 28 are"),
        ("wrn-3-1", "wrn-3-1: depth: input should be greater than or equal to 10, not 3"),
        ("wrn-28-0", "wrn-28-0: width: input should be greater than or equal to 1, not 0"),
        ("densenet-40-0", "densenet-40-0: growth: input should be greater than or equal to 1, not 0"),
        ("densenet-40-12-dropout1", "densenet-40-12-dropout1: dropout: input should be less than 1, not 1.0"),
        ("pre-resnet-1000", "pre-resnet-1000: a Pre-ResNet's depth is 9n + 2: 1000 is not, 992 and 1001 are"),
        ("ban-wide-resnet-0-1", "ban-wide-resnet-0-1: blocks: input should be greater than or equal to 1, not 0"),
        ("ban-wide-resnet-1-0", "ban-wide-resnet-1-0: ratio: input should be greater than 0, not 0.0"),
        (
            "densenet-90-60-depth*0.3",
            "depth*0.3 leaves no whole numbers of densenet-90-60's 14 units a block (times M) and growth of 60 "
            "(divided by M); M can be 0.5, 1, 1.5, 2, 2.5, 3, 4, 5",
        ),
        ("densenet-90-60-depth*0", "depth*0 leaves no whole numbers"),
        ("densenet-90-60-depth*5000", "M can be 5, 6, 7.5, 10, 12, 15, 20, 30"),
        (
            "densenet-40-12-compr*0.3",
            "compr*0.3 leaves no whole numbers of densenet-40-12's growth of 12 and 24 channels of the first "
            "convolution (times M); M can be 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2",
        ),
        ("wnr-28-10", "unknown network 'wnr-28-10'; did you mean 'wrn-28-10'? names are wrn-DEPTH-WIDTH"),
        ("densnet-40-12", "did you mean 'densenet-40-12'?"),
        ("densenet-90-60-depth2", "did you mean 'densenet-90-60-depth*2'?"),
        ("resnet-1001", "did you mean 'pre-resnet-1001'?"),
        ("WRN-16-4", "did you mean 'wrn-16-4'?"),
        ("ban-wide-resnet-1-1-like-wrn-28-10", "'wrn-28-10' is no DenseNet's name"),
        ("densenet-40-12-dropout0.2-transition", "[-standard or -transition][-dropoutP]"),
        ("densenet-40-12-dropout0.2-standard", "[-depth*M or -compr*M] (suffixes in this order), "),
    ],
)
def test_wrong_names_are_explained(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        network_from_name(name)


@pytest.mark.parametrize("name", ["", "foo", "9" * 300, "wrn-28", "wrn-२८-10", "densenet-40-12-stem", "wrn-28-10\n"])
def test_where_no_name_is_near_the_patterns_are_listed(name: str) -> None:
    with pytest.raises(ValueError, match=r"densenet-DEPTH-GROWTH.*pre-resnet-DEPTH.*BLOCKS-RATIO"):
        network_from_name(name)


@settings(max_examples=50)
@given(st.text(alphabet="wrn-densetp*comk.0123456789", max_size=40) | st.text(max_size=10))
def test_any_text_is_a_network_or_a_value_error(text: str) -> None:
    try:
        network_from_name(text)
    except ValueError as error:
        assert str(error)
