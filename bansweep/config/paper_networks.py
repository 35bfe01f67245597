"""The networks of "Born-Again Neural Networks" (Furlanello et al., ICML 2018), with the sizes that it prints."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Literal

from bansweep.config.networks import NetworkSpec, network_from_name

# Which parameters a printed size is of. Table 5's students share their first and last layer, frozen, with the teacher:
# the size has neither. ResNet-1001 has its printed size without batch normalisation; with it, it is 1.3 % larger.
Counted = Literal["all", "without first and last layer", "without batch normalisation"]

# How our count compares with the printed one: "close" is within 1 % or half a unit of its last digit.
Agreement = Literal["close", "cut off", "differs"]

_BOTTLENECK = "the paper does not describe its blocks; ours have a quarter of their width inside"


@dataclass(frozen=True)
class PaperNetwork:
    """A network as `table` (1 to 6) has it.

    `printed` is its size in millions of parameters, digit by digit, which holds for `classes` classes (words of a
    vocabulary) and for what is `counted`. `remark` says why ours differs, or what was built under the paper's name.
    """

    name: str
    table: int
    classes: int
    printed: str
    counted: Counted = "all"
    agreement: Agreement = "close"
    remark: str = ""

    @cached_property
    def spec(self) -> NetworkSpec:
        return network_from_name(self.name)

    @property
    def printed_parameters(self) -> int:
        """The printed size in parameters."""
        return int(Decimal(self.printed) * 1_000_000)


def _compressed(factor: str, printed: str) -> PaperNetwork:
    return PaperNetwork(
        f"densenet-90-60-compr*{factor}",
        table=4,
        classes=100,
        printed=printed,
        agreement="differs",
        remark="the paper defines no ratio that gives its size; ours multiplies all channels",
    )


def _residual_student(name: str, printed: str, agreement: Agreement = "close", remark: str = "") -> PaperNetwork:
    return PaperNetwork(
        name,
        table=5,
        classes=100,
        printed=printed,
        counted="without first and last layer",
        agreement=agreement,
        remark=remark,
    )


# In the order of the paper's tables; 2 and 3 print no sizes. What we count where it "differs", in millions: table 4's
# teacher 16.24, compr*0.5, 0.75 and 1.5 4.10, 9.17 and 36.41; bottleneck students 5.69 (14-0.5) and 20.40 (14-1).
PAPER_NETWORKS: tuple[PaperNetwork, ...] = (
    PaperNetwork("wrn-28-1", 1, 100, "0.38"),
    PaperNetwork("wrn-28-2", 1, 100, "1.48"),
    PaperNetwork("wrn-28-5", 1, 100, "9.16"),
    PaperNetwork("wrn-28-10", 1, 100, "36", agreement="cut off", remark="the paper cuts 36.5 off to 36"),
    PaperNetwork("densenet-112-33", 1, 10, "6.3", remark="the network that has the printed size"),
    PaperNetwork("densenet-90-60", 1, 10, "16.1"),
    PaperNetwork("densenet-80-80", 1, 10, "22.4"),
    PaperNetwork("densenet-80-120", 1, 10, "50.4"),
    PaperNetwork(
        "densenet-90-60", 4, 100, "22.4", agreement="differs", remark="table 4 prints the size of densenet-80-80"
    ),
    PaperNetwork("densenet-90-60-depth*0.5", 4, 100, "21.2"),
    PaperNetwork("densenet-90-60-depth*2", 4, 100, "13.7"),
    PaperNetwork("densenet-90-60-depth*3", 4, 100, "12.9"),
    PaperNetwork("densenet-90-60-depth*4", 4, 100, "12.6"),
    _compressed("0.5", "5.1"),
    _compressed("0.75", "10.1"),
    _compressed("1.5", "80.5"),
    PaperNetwork("pre-resnet-1001", 5, 10, "10.2", counted="without batch normalisation"),
    _residual_student("ban-pre-resnet-14-0.5", "7.3", "differs", _BOTTLENECK),
    _residual_student("ban-pre-resnet-14-1", "17.7", "differs", _BOTTLENECK),
    _residual_student("ban-wide-resnet-1-1", "20.9"),
    _residual_student("ban-match-wide-resnet-2-1", "43.1"),
    _residual_student("ban-wide-resnet-4-0.5", "24.3"),
    _residual_student("ban-wide-resnet-4-1", "87.3"),
    PaperNetwork("cnn-lstm", 6, 10_000, "19"),
    PaperNetwork(
        "lstm",
        6,
        10_000,
        "52",
        agreement="differs",
        remark="two layers; the one of the paper's text has 33.0 M",
    ),
)


def paper_network(spec: NetworkSpec, classes: int | None = None) -> PaperNetwork | None:
    """The paper's first entry for a network (of `classes` classes); None where it has none."""
    return next((one for one in PAPER_NETWORKS if one.spec == spec and classes in (None, one.classes)), None)
