"""A network's size as the paper counts it."""

from __future__ import annotations

from typing import assert_never

from torch import nn

from bansweep.networks.builder import count_parameters
from bansweep.networks.staged import StagedNetwork
from bansweep.spec.paper_networks import Counted


def count_as_printed(network: nn.Module, counted: Counted) -> int:
    """The parameters that the paper counts, where it leaves some out."""
    match counted:
        case "all":
            left_out: list[nn.Module] = []
        case "without first and last layer":
            assert isinstance(network, StagedNetwork)
            left_out = [network.stem, network.classifier]
        case "without batch normalisation":
            left_out = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        case _:
            assert_never(counted)
    return count_parameters(network) - sum(map(count_parameters, left_out))
