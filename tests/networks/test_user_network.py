"""A network of the user's own."""

from __future__ import annotations

import pytest
import torch

from bansweep.config.networks import UserNetwork
from bansweep.config.user_code import UserCode
from bansweep.errors import TrainingError
from bansweep.graph.operations import is_counted
from bansweep.networks.build import build_network, count_parameters

CODE = """\
import torch
from torch import nn

def linear(input_shape, classes):
    channels, height, width = input_shape
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes))

def none(input_shape, classes):
    return None

class Wrong(nn.Module):
    def __init__(self, input_shape, classes, *, how):
        super().__init__()
        self.how = how

    def forward(self, images):
        if self.how == "raises":
            raise ValueError("not today")
        return images.mean((2, 3)) if self.how == "shape" else {"logits": images}
"""


def spec(name: str, **arguments: str) -> UserNetwork:
    return UserNetwork(code=UserCode(file="mine.py", name=name, text=CODE), arguments=arguments)


def test_the_module_is_the_network_and_a_seed_decides_its_weights() -> None:
    networks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        networks.append(build_network(spec("linear"), input_shape=(1, 4, 4), classes=3))
    images = torch.randn(5, 1, 4, 4)
    first, second, third = (network(images) for network in networks)
    assert first.shape == (5, 3)
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
    assert count_parameters(networks[0]) == 16 * 3 + 3
    logits, stages = networks[0].forward_with_stages(images)
    assert torch.equal(logits, first)
    assert stages == ()
    assert not is_counted(spec("linear"))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raises", r"mine\.py, line 18, in forward: ValueError: not today"),
        ("shape", r"logits of shape \(2, 3\), not \(2, 1\)"),
        ("type", r"logits of shape \(2, 3\), not dict"),
    ],
)
def test_what_goes_wrong_in_it_names_the_users_file(how: str, said: str) -> None:
    network = build_network(spec("Wrong", how=how), input_shape=(1, 4, 4), classes=3)
    with pytest.raises(TrainingError, match=said):
        network(torch.zeros(2, 1, 4, 4))


def test_something_else_than_a_module_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"mine\.py: none has to return a torch\.nn\.Module, not NoneType"):
        build_network(spec("none"), input_shape=(1, 4, 4), classes=3)
