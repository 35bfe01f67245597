"""A resumed run ends in the bits of an uninterrupted one, with any optimizer, and from older progress as well."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import ASGD, LBFGS, SGD, Adagrad, AdamW, NAdam, Optimizer, Rprop

from bansweep.training.snapshot import _placed, load_snapshot, snapshot_bytes

STEPS, AFTER = 6, 3
MOMENTUM = partial(SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4, foreach=True)
OPTIMIZERS = [
    partial(SGD, lr=0.1),
    MOMENTUM,
    partial(AdamW, lr=0.01),
    partial(AdamW, lr=0.01, amsgrad=True, foreach=True),
    partial(AdamW, lr=0.01, fused=True),
    partial(NAdam, lr=0.01),
    partial(Adagrad, lr=0.05, initial_accumulator_value=0.1),
    partial(Rprop, lr=0.01),
    partial(ASGD, lr=0.05, t0=1),
]
every_optimizer = pytest.mark.parametrize(
    "make", OPTIMIZERS, ids=lambda make: f"{make.func.__name__} {'-'.join(make.keywords)}"
)


def small_network() -> nn.Module:
    """Convolutions in channels_last, batch statistics, and a first layer that stays as it is."""
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(20, 3))
    )
    network[0].requires_grad_(requires_grad=False)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def take_steps(network: nn.Module, optimizer: Optimizer, first: int, last: int) -> None:
    for step in range(first, last):
        images = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        network(images.contiguous(memory_format=torch.channels_last)).square().mean().backward()
        optimizer.step()


def states_of(network: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    states = {
        f"{key} of {name}": value
        for name, parameter in network.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
        if value is not None
    }
    return {**network.state_dict(), **states}


def begin(make: Callable[..., Optimizer]) -> tuple[nn.Module, Optimizer]:
    network = small_network()
    return network, make([parameter for parameter in network.parameters() if parameter.requires_grad])


def assert_equal_bits(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name
        assert (tensor.dtype, tensor.device) == (other[name].dtype, other[name].device), name
        assert tensor.stride() == other[name].stride(), name


def test_only_counts_of_steps_stay_on_the_host() -> None:
    on_device = torch.empty((), device="meta")  # a parameter that is a scalar, on another device
    assert _placed("momentum_buffer", torch.tensor(1.0), on_device, {}).device.type == "meta"
    assert _placed("step", torch.tensor(1.0), on_device, {}).device.type == "cpu"
    assert _placed("step", torch.tensor(1.0), on_device, {"capturable": True}).device.type == "meta"
    assert _placed("eta", torch.tensor(1.0), torch.empty(3, device="meta"), {}).device.type == "meta"


def test_numbers_that_an_optimizer_changes_in_its_groups_are_resumed() -> None:
    network, optimizer = begin(MOMENTUM)
    optimizer.param_groups[0] |= {"d": 0.1 + 0.2, "k": 7, "foreach": True}
    resumed, of_resumed = begin(partial(MOMENTUM, foreach=False))
    load_snapshot(resumed, of_resumed, snapshot_bytes(network, optimizer))
    group = of_resumed.param_groups[0]
    assert (group["d"], group["k"], type(group["k"])) == (0.1 + 0.2, 7, int)
    assert group["foreach"] is False  # what suits the device is not resumed


@every_optimizer
def test_a_resumed_optimizer_takes_the_steps_of_one_that_was_not_interrupted(make: Callable[..., Optimizer]) -> None:
    whole, of_whole = begin(make)
    take_steps(whole, of_whole, 0, AFTER)
    snapshot = snapshot_bytes(whole, of_whole)
    kept = {name: tensor.clone() for name, tensor in states_of(whole, of_whole).items()}

    resumed, of_resumed = begin(make)
    take_steps(resumed, of_resumed, STEPS, STEPS + 1)  # leaves a state of its own, which is replaced
    assert load_snapshot(resumed, of_resumed, snapshot) is None
    assert_equal_bits(states_of(resumed, of_resumed), kept)

    take_steps(whole, of_whole, AFTER, STEPS)
    take_steps(resumed, of_resumed, AFTER, STEPS)
    assert_equal_bits(states_of(resumed, of_resumed), states_of(whole, of_whole))


def test_without_its_state_an_optimizer_would_take_other_steps() -> None:
    for make in OPTIMIZERS[1:]:
        whole, of_whole = begin(make)
        take_steps(whole, of_whole, 0, AFTER)
        forgetful, of_forgetful = begin(make)
        forgetful.load_state_dict(whole.state_dict())
        take_steps(whole, of_whole, AFTER, STEPS)
        take_steps(forgetful, of_forgetful, AFTER, STEPS)
        assert not torch.equal(whole[1].weight, forgetful[1].weight), make  # type: ignore[index,arg-type]


def test_what_an_earlier_version_saved_resumes_in_the_same_bits() -> None:
    """Its layout, written out: `model.`, `momentum.` and `best.` before names."""
    whole, of_whole = begin(MOMENTUM)
    take_steps(whole, of_whole, 0, AFTER)
    tensors = {f"model.{name}": tensor for name, tensor in whole.state_dict().items()}
    for name, parameter in whole.named_parameters():
        if parameter in of_whole.state:
            tensors[f"momentum.{name}"] = of_whole.state[parameter]["momentum_buffer"]
    tensors |= {f"best.{name}": tensor + 1 for name, tensor in whole.state_dict().items()}
    snapshot = safetensors.torch.save({name: tensor.detach().contiguous() for name, tensor in tensors.items()})

    resumed, of_resumed = begin(MOMENTUM)
    best = load_snapshot(resumed, of_resumed, snapshot)

    assert best is not None
    assert all(torch.equal(best[name], tensor + 1) for name, tensor in whole.state_dict().items())
    assert_equal_bits(states_of(resumed, of_resumed), states_of(whole, of_whole))
    take_steps(whole, of_whole, AFTER, STEPS)
    take_steps(resumed, of_resumed, AFTER, STEPS)
    assert_equal_bits(states_of(resumed, of_resumed), states_of(whole, of_whole))


def test_a_state_that_is_no_tensor_is_refused_and_not_lost() -> None:
    network = nn.Linear(2, 1)
    optimizer = LBFGS(network.parameters())

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = network(torch.ones(3, 2)).square().mean()
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="LBFGS keeps 'func_evals' of weight as int; progress holds tensors only"):
        snapshot_bytes(network, optimizer)
