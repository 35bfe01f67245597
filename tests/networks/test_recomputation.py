"""Recomputed activations change what is kept for the backward pass, and nothing that is computed."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from bansweep.networks.densenet import DenseNet
from bansweep.networks.image_network import StagedNetwork, recomputed
from bansweep.networks.residual_networks import PreResNet, ResidualStudent, WideResNet

CLASSES = 5


def residual_student(kind: str, dropout: float) -> StagedNetwork:
    return ResidualStudent(
        kind,  # type: ignore[arg-type]
        2,
        stem_channels=8,
        block_channels=(12, 8, 8),
        stage_channels=(8, 10, 12),
        in_channels=3,
        classes=CLASSES,
        dropout=dropout,
    )


NETWORKS: dict[str, Callable[[], StagedNetwork]] = {
    "densenet": lambda: DenseNet(22, 4, in_channels=3, classes=CLASSES),
    "densenet-no-final-transition": lambda: DenseNet(22, 4, in_channels=3, classes=CLASSES, final_transition=False),
    "densenet-dropout": lambda: DenseNet(22, 4, in_channels=3, classes=CLASSES, dropout=0.3),
    "wide-resnet": lambda: WideResNet(16, 1, in_channels=3, classes=CLASSES),
    "wide-resnet-dropout": lambda: WideResNet(16, 1, in_channels=3, classes=CLASSES, dropout=0.3),
    "pre-resnet": lambda: PreResNet(20, in_channels=3, classes=CLASSES),
    "residual-student": lambda: residual_student("basic", 0.0),
    "residual-student-dropout": lambda: residual_student("bottleneck", 0.3),
}


def pair(make: Callable[[], StagedNetwork]) -> tuple[StagedNetwork, StagedNetwork]:
    """A network that keeps its activations, and the same one that recomputes them."""
    torch.manual_seed(0)
    keeping = make().to(memory_format=torch.channels_last)
    recomputing = copy.deepcopy(keeping)
    recomputing.recompute_activations()
    return keeping, recomputing


def images(number: int = 4, side: int = 8) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(number, 3, side, side).contiguous(memory_format=torch.channels_last)


def step(network: StagedNetwork, *, bf16: bool, with_stages: bool) -> list[Tensor]:
    """What a forward pass gives, and the random number that is next once the backward pass is through."""
    torch.manual_seed(2)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        logits_BC, stages = network.forward_with_stages(images()) if with_stages else (network(images()), ())
    loss = nn.functional.cross_entropy(logits_BC.float(), torch.arange(4))
    for stage in stages:
        loss = loss + stage.float().square().mean()
    loss.backward()
    return [logits_BC.detach(), *(stage.detach() for stage in stages), torch.rand(1)]


def rounding_error(network: StagedNetwork, *, bf16: bool) -> float:
    """How far rounding can take two backward passes apart, relative to a gradient's norm, on any CPU.

    Between the loss and the first layer, a gradient passes at most all convolutions. At each, the convolution, its
    normalisation and one sum round: with unit roundoff u, n roundings in a row leave an error of about u * sqrt(n)
    (N. Higham and T. Mary, "A New Approach to Probabilistic Rounding Error Analysis", 2019). Two passes differ by
    twice that, and normalisation, which subtracts the mean of a gradient, may double it.
    """
    unit_roundoff = 2.0**-8 if bf16 else 2.0**-24
    roundings = 3 * sum(isinstance(layer, nn.Conv2d) for layer in network.modules())
    return float(2 * 2 * unit_roundoff * roundings**0.5)


@pytest.mark.parametrize("with_stages", [False, True], ids=["logits", "stages"])
@pytest.mark.parametrize("bf16", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_logits_gradients_and_running_statistics_are_the_same(name: str, bf16: bool, with_stages: bool) -> None:
    keeping, recomputing = pair(NETWORKS[name])

    expected = step(keeping, bf16=bf16, with_stages=with_stages)
    found = step(recomputing, bf16=bf16, with_stages=with_stages)

    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    # Autograd adds the gradients of a tensor's uses in another order where activations are recomputed. A sum of two
    # has one order only: stages of residual units have more uses only where the loss compares them.
    same_sums = not with_stages and not name.startswith("densenet")
    bound = 0.0 if same_sums else rounding_error(keeping, bf16=bf16)
    for (layer, one), other in zip(recomputing.named_parameters(), keeping.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        error = (one.grad - other.grad).norm() / other.grad.norm()
        assert error <= bound, layer
    buffers = dict(keeping.named_buffers())
    assert {int(buffer) for name, buffer in buffers.items() if name.endswith("num_batches_tracked")} == {1}
    for layer, buffer in recomputing.named_buffers():
        assert torch.equal(buffer, buffers[layer]), layer


@pytest.mark.parametrize("name", NETWORKS)
def test_names_and_weights_stay_as_they_are(name: str) -> None:
    keeping, recomputing = pair(NETWORKS[name])
    before = {layer: id(buffer) for layer, buffer in recomputing.named_buffers()}
    recomputing(images()).sum().backward()
    assert list(recomputing.state_dict()) == list(keeping.state_dict())
    assert {layer: id(buffer) for layer, buffer in recomputing.named_buffers()} == before, "the very same tensors"


@pytest.mark.parametrize("name", NETWORKS)
def test_without_gradients_or_training_nothing_is_recomputed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keeping, recomputing = pair(NETWORKS[name])

    def refuse(*_: object, **options: object) -> Tensor:
        raise AssertionError(f"recomputed, {list(options)}")

    monkeypatch.setattr("bansweep.networks.image_network.recomputed", refuse)
    monkeypatch.setattr("bansweep.networks.densenet.recomputed", refuse)
    with pytest.raises(AssertionError, match="recomputed"):
        recomputing(images())
    with torch.no_grad():
        recomputing(images())
    keeping, recomputing = pair(NETWORKS[name])
    keeping.eval()
    recomputing.eval()
    assert torch.equal(recomputing(images()), keeping(images()))


def saved_bytes(network: StagedNetwork) -> int:
    """Of all tensors that a forward pass keeps for the backward pass, parameters aside, each stretch of memory once."""
    parameters = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        logits_BC = network(images(2, 16))
    # The graph is alive: no two stretches had the same address.
    assert logits_BC.grad_fn is not None
    return sum(saved.values())


@pytest.mark.parametrize("name", NETWORKS)
def test_less_is_kept_for_the_backward_pass(name: str) -> None:
    keeping, recomputing = pair(NETWORKS[name])
    assert saved_bytes(recomputing) < 0.5 * saved_bytes(keeping)


def saved_bytes_of_densenets(units: int) -> tuple[int, int]:
    keeping, recomputing = pair(lambda: DenseNet(6 * units + 4, 4, in_channels=3, classes=CLASSES))
    return saved_bytes(keeping), saved_bytes(recomputing)


def test_what_a_densenet_keeps_grows_with_its_units_and_not_with_their_square() -> None:
    (kept, recomputed_kept), (kept_of_twice, recomputed_of_twice) = map(saved_bytes_of_densenets, (16, 32))
    assert kept_of_twice > 3 * kept
    # Stem and classifier do not grow.
    assert recomputed_of_twice < 2.1 * recomputed_kept


def test_each_unit_is_computed_twice_and_no_more() -> None:
    _, network = pair(NETWORKS["densenet"])
    calls: dict[str, int] = {}
    for name, module in network.named_modules():
        if name.endswith("norm1"):
            module.register_forward_hook(lambda *_, name=name: calls.update({name: calls.get(name, 0) + 1}))
    network(images()).sum().backward()
    assert len(calls) == 9
    assert set(calls.values()) == {2}


def test_a_second_backward_pass_leaves_running_statistics_alone_too() -> None:
    norm = nn.BatchNorm2d(3)
    values = torch.randn(4, 3, 2, 2, requires_grad=True)
    output = recomputed(norm, values, unit=norm)
    after_forward = {name: buffer.clone() for name, buffer in norm.named_buffers()}
    (first,) = torch.autograd.grad(output.square().sum(), values, retain_graph=True)
    (second,) = torch.autograd.grad(output.square().sum(), values)
    assert torch.equal(first, second)
    assert int(after_forward["num_batches_tracked"]) == 1
    assert all(torch.equal(buffer, after_forward[name]) for name, buffer in norm.named_buffers())


def test_running_statistics_come_back_where_the_recomputation_fails() -> None:
    norm = nn.BatchNorm2d(3)
    calls = []

    def once(values: Tensor) -> Tensor:
        calls.append(values)
        if len(calls) > 1:
            raise RuntimeError("out of memory")
        result: Tensor = norm(values).sin()
        return result

    output = recomputed(once, torch.randn(4, 3, 2, 2, requires_grad=True), unit=norm)
    running_mean = norm.running_mean
    with pytest.raises(RuntimeError, match="out of memory"):
        output.sum().backward()
    assert norm.running_mean is running_mean
