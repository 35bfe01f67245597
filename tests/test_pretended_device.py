"""The pretended device against what PyTorch does with a GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import pytest
import torch
from pretended_device import INDEX, READ, TO_DEVICE, TO_HOST, MixedDevicesError, PretendedDevice
from torch import Tensor, nn

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="pretends a device that this machine has")


class Both(NamedTuple):
    """0 to 5 on the device, and on the host."""

    x: Tensor
    h: Tensor


WAITING: list[tuple[str, Callable[[Both], object]]] = [
    (TO_DEVICE, lambda on: on.h.to(on.x.device)),
    (TO_DEVICE, lambda on: on.h.to(on.x)),
    (TO_DEVICE, lambda on: on.h.to("cuda", torch.float64)),
    (TO_DEVICE, lambda on: on.h.cuda()),
    (TO_DEVICE, lambda on: on.h.to(on.x.device, non_blocking=True)),
    (TO_DEVICE, lambda on: on.h.pin_memory().to(on.x.device)),
    (TO_DEVICE, lambda on: on.h.pin_memory()[::2].to(on.x.device, non_blocking=True)),
    (TO_DEVICE, lambda on: torch.tensor([1.0], device=on.x.device)),
    (TO_DEVICE, lambda on: torch.as_tensor(on.h, device=on.x.device)),
    (TO_DEVICE, lambda on: on.x.copy_(on.h)),
    (TO_DEVICE, lambda on: on.x.__setitem__(slice(2), on.h[:2])),
    (TO_HOST, lambda on: on.x.cpu()),
    (TO_HOST, lambda on: on.x.to("cpu")),
    (TO_HOST, lambda on: on.x.to("cpu", non_blocking=True)),
    (TO_HOST, lambda on: on.x.to(on.h)),
    (TO_HOST, lambda on: on.h.copy_(on.x)),
    (TO_HOST, lambda on: on.h.__setitem__(slice(2), on.x[:2])),
    (READ, lambda on: on.x[0].item()),
    (READ, lambda on: on.x.tolist()),
    (READ, lambda on: bool(on.x[0] > 0)),
    (READ, lambda on: int(on.x[0])),
    (READ, lambda on: float(on.x.sum())),
    (READ, lambda on: torch.equal(on.x, on.x + 1)),
    (INDEX, lambda on: on.x[on.h.long()]),
    (INDEX, lambda on: on.x[[1, 2]]),
    (INDEX, lambda on: on.x.__setitem__(on.h.long(), on.x + 1)),
    ("boolean index", lambda on: on.x[on.x > 2]),
    ("boolean index", lambda on: on.x.__setitem__(on.x > 2, on.x[:3] + 1)),
    ("nonzero", lambda on: on.x.nonzero()),
    ("nonzero", lambda on: torch.where(on.x > 2)),
    ("masked_select", lambda on: on.x.masked_select(on.x > 2)),
    ("unique", lambda on: on.x.unique(return_inverse=True)),
    ("unique_consecutive", lambda on: on.x.unique_consecutive()),
    ("bincount", lambda on: on.x.long().bincount()),
    ("repeat_interleave", lambda on: on.x.repeat_interleave(on.x.long())),
]
QUEUED: list[Callable[[Both], Tensor]] = [
    lambda on: on.h.pin_memory().to(on.x.device, non_blocking=True),
    lambda on: on.x.copy_(on.h.pin_memory(), non_blocking=True),
    lambda on: torch.rand(6, pin_memory=True).to(on.x.device, non_blocking=True),
    lambda on: on.x.to("cuda:0"),
    lambda on: on.x.double(),
    lambda on: on.x + torch.tensor(2.0),
    lambda on: on.x[on.x.long()],
    lambda on: on.x.index_select(0, on.x.long()),
    lambda on: on.x.__setitem__(on.x.long(), on.x + 1) or on.x,
    lambda on: on.x.__setitem__(on.x > 2, 0.0) or on.x,
    lambda on: on.x.masked_fill(on.x > 2, 0.0),
    lambda on: on.x.repeat_interleave(3),
    lambda on: on.x.new_full((2,), 3.0),
    lambda on: torch.zeros_like(on.x),
    lambda on: torch.full((2,), 3.0, device=on.x.device),
    lambda on: on.x.argsort(),
]


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize(
    ("cause", "operation"), WAITING, ids=[f"{index} {case[0]}" for index, case in enumerate(WAITING)]
)
def test_what_makes_the_host_wait_is_counted_once(
    cause: str, operation: Callable[[Both], object], inference: bool
) -> None:
    host = torch.arange(6.0)
    with PretendedDevice() as pretended, torch.inference_mode(inference):
        values = torch.arange(6.0, device=pretended.device)
        assert pretended.count == 0
        operation(Both(values, host))
        assert [wait.cause for wait in pretended.waits] == [cause]
        assert pretended.count == 1


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("operation", QUEUED, ids=[str(index) for index in range(len(QUEUED))])
def test_what_is_queued_is_not(operation: Callable[[Both], Tensor], inference: bool) -> None:
    host = torch.arange(6.0)
    with PretendedDevice() as pretended, torch.inference_mode(inference):
        result = operation(Both(torch.arange(6.0, device=pretended.device), host))
        assert result.device == pretended.device
        assert result.is_cuda
        assert pretended.count == 0


MIXED: list[Callable[[Both], object]] = [
    lambda on: on.x + on.h,
    lambda on: torch.cat([on.x, on.h]),
    lambda on: on.h.index_select(0, on.x.long()),
    lambda on: on.h[on.x.long()],
    lambda on: on.x.__setitem__(on.x.long(), on.h),
    lambda on: nn.functional.linear(on.x, on.h[None]),
    lambda on: torch.rand(3, generator=torch.Generator(), device=on.x.device),
]


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("operation", MIXED, ids=[str(index) for index in range(len(MIXED))])
def test_mixed_devices_are_refused(operation: Callable[[Both], object], inference: bool) -> None:
    host = torch.arange(6.0)
    with PretendedDevice() as pretended, torch.inference_mode(inference), pytest.raises(MixedDevicesError):
        operation(Both(torch.arange(6.0, device=pretended.device), host))


def test_a_tensor_of_the_device_has_no_array_and_cannot_be_pinned() -> None:
    with PretendedDevice() as pretended:
        values = torch.zeros(2, device=pretended.device)
        with pytest.raises(TypeError):
            values.numpy()
        with pytest.raises(RuntimeError):
            values.pin_memory()


class _Squares(torch.autograd.Function):
    devices_seen: ClassVar[set[torch.device]] = set()

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return values.square()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:  # type: ignore[override]
        (values,) = ctx.saved_tensors  # type: ignore[attr-defined]
        _Squares.devices_seen |= {gradient.device, values.device}
        return 2 * values * gradient


def test_a_training_step_is_on_the_device_from_end_to_end() -> None:
    def trained(device: torch.device) -> nn.Module:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 2)).to(device)
        optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, foreach=True)
        inputs = torch.linspace(0, 1, 36).view(4, 1, 3, 3).to(device)
        for _ in range(2):
            optimizer.zero_grad()
            _Squares.apply(network(inputs)).sum().backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        return network

    with PretendedDevice() as pretended:
        _Squares.devices_seen.clear()
        network = trained(pretended.device)
        assert _Squares.devices_seen == {pretended.device}
        assert set(pretended.waits) == {wait for wait in pretended.waits if wait.cause == TO_DEVICE}, (
            "of the set-up only"
        )
        copied = pretended.count
        assert copied == len(network.state_dict()) + 1
        assert all(parameter.grad is not None and parameter.grad.is_cuda for parameter in network.parameters())
        assert pretended.allocations > 0
        state = network.state_dict()
        assert all(values.is_cuda for values in state.values())
    for name, values in trained(torch.device("cpu")).state_dict().items():
        assert torch.equal(values, state[name])


def test_memory_is_given_back_with_the_last_tensor_that_uses_it() -> None:
    with PretendedDevice() as pretended:
        values = torch.zeros(4, device=pretended.device)
        view = values[1:]
        other = values + 1
        assert pretended.allocations == 2
        del values, other
        assert pretended.allocations == 1
        del view
        assert pretended.allocations == 0


def test_outside_of_it_nothing_has_changed() -> None:
    with PretendedDevice():
        pass
    assert torch.zeros(2).device == torch.device("cpu")
    assert torch.autocast.__module__ == "torch.amp.autocast_mode"
