"""Batch normalisation over several workers against PyTorch's own on the whole batch, in real process groups."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from process_group import in_group
from torch import Tensor, nn

from bansweep.config.networks import UserNetwork as OwnNetworkSpec
from bansweep.config.user_code import UserCode
from bansweep.errors import TrainingError
from bansweep.networks.densenet import DenseNet
from bansweep.networks.image_network import UserNetwork
from bansweep.training.batch_norm import (
    GlobalBatchNorm,
    GlobalBatchNorm1d,
    GlobalBatchNorm2d,
    GlobalBatchNorm3d,
    with_global_batch_norm,
)
from bansweep.training.workers import Workers, distributed

CPU = torch.device("cpu")
STEPS = 3


def without_bias(layer: nn.Module) -> nn.Module:
    """As `bias=False` makes it, which only newer versions of PyTorch know."""
    layer.register_parameter("bias", None)
    return layer


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "vectors": (lambda: nn.BatchNorm1d(3), (7, 3)),
    "sequences": (lambda: nn.BatchNorm1d(3, momentum=0.3), (7, 3, 5)),
    "images": (lambda: nn.BatchNorm2d(3), (7, 3, 4, 2)),
    "volumes": (lambda: nn.BatchNorm3d(3, eps=0.1), (7, 3, 2, 2, 3)),
    "mean over all batches": (lambda: nn.BatchNorm2d(3, momentum=None), (7, 3, 4, 2)),
    "without weights": (lambda: nn.BatchNorm2d(3, affine=False), (7, 3, 4, 2)),
    "without bias": (lambda: without_bias(nn.BatchNorm2d(3)), (7, 3, 4, 2)),
    "one channel": (lambda: nn.BatchNorm2d(1), (7, 1, 4, 2)),
}


def sync_batch_norm_alone(workers: Workers) -> list[Any]:
    """In a group of one, where PyTorch's own refuses tensors of a CPU."""
    layer = with_global_batch_norm(nn.Sequential(nn.SyncBatchNorm(3)), workers, CPU)
    output = layer(torch.randn(7, 3, 4, 2, generator=torch.Generator().manual_seed(0)))
    return [output.tolist(), layer[0].running_var.tolist()]


def gradients_below_ddp(workers: Workers, compiled: bool) -> list[Any]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.SyncBatchNorm(4)).double()
    network = with_global_batch_norm(network, workers, CPU, compiled=compiled)
    images_BKHW = torch.randn(6, 3, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    module = distributed(network, workers, CPU)
    (module(workers.share(images_BKHW)).pow(3).sum() * workers.size).backward()
    return [parameter.grad.tolist() for parameter in network.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("compiled", [False, True])
def test_ddp_takes_a_network_with_sync_batch_norm_on_cpus(compiled: bool) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).double()
    images_BKHW = torch.randn(6, 3, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    network(images_BKHW).pow(3).sum().backward()
    expected = [parameter.grad.tolist() for parameter in network.parameters() if parameter.grad is not None]
    for found in in_group(2, gradients_below_ddp, compiled):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_sync_batch_norm_of_a_worker_that_is_alone_is_batch_norm() -> None:
    layer = nn.BatchNorm2d(3)
    output = layer(torch.randn(7, 3, 4, 2, generator=torch.Generator().manual_seed(0)))
    assert in_group(1, sync_batch_norm_alone) == [[output.tolist(), layer.running_var.tolist()]]


def made(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A layer in double precision, its inputs of several steps, and the gradients of its outputs."""
    make, shape = LAYERS[name]
    torch.manual_seed(0)
    layer = make().double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    return layer, *(torch.randn(STEPS, *shape, dtype=torch.float64) for _ in range(2))


def learn(layer: nn.Module, values: Tensor, slopes: Tensor) -> Iterator[Tensor]:
    """Each step's output and its input's gradient."""
    for step_values, step_slopes in zip(values, slopes, strict=True):
        inputs = step_values.clone().requires_grad_()
        output = layer(inputs)
        output.backward(step_slopes)
        assert inputs.grad is not None
        yield output.detach()
        yield inputs.grad


def equals_whole_batch(workers: Workers, shares: list[int]) -> None:
    """With as many samples of each batch as `shares` says, for each worker."""
    first = sum(shares[: workers.rank])
    mine = slice(first, first + shares[workers.rank])
    for name in LAYERS:
        for in_one_gather in (True, False):
            whole, values, slopes = made(name)
            layer = with_global_batch_norm(made(name)[0], workers, CPU, compiled=in_one_gather)
            assert layer.in_one_gather == in_one_gather
            expected = [tensor[mine] for tensor in learn(whole, values, slopes)]
            found = list(learn(layer, values[:, mine], slopes[:, mine]))
            close = {"rtol": 1e-11, "atol": 1e-11, "msg": lambda text, name=name: f"{name}: {text}"}
            torch.testing.assert_close(found, expected, **close)
            # Gradients of weight and bias are shares, which DDP adds up.
            gradients = [workers.sum(parameter.grad) for parameter in layer.parameters() if parameter.grad is not None]
            torch.testing.assert_close(gradients, [parameter.grad for parameter in whole.parameters()], **close)
            torch.testing.assert_close(dict(layer.named_buffers()), dict(whole.named_buffers()), **close)
            layer.eval(), whole.eval()
            torch.testing.assert_close(layer(values[0]), whole(values[0]), **close)


# In double precision there are 16 digits. Sums of at most 7 * 12 numbers of about 1 lose two of them.
@pytest.mark.parametrize("shares", [[4, 3], [3, 2, 2], [1, 6], [7, 0]], ids=str)
def test_statistics_and_gradients_are_those_of_the_whole_batch(shares: list[int]) -> None:
    in_group(len(shares), equals_whole_batch, shares)


def far_from_zero(workers: Workers) -> None:
    torch.manual_seed(0)
    values = torch.randn(9, 4, 8, 8) + 1e4
    slopes = torch.randn(9, 4, 8, 8)
    whole = nn.BatchNorm2d(4).double()
    expected = [tensor[workers.rank :: workers.size] for tensor in learn(whole, values[None].double(), slopes[None])]
    layer = with_global_batch_norm(nn.BatchNorm2d(4), workers, CPU, compiled=True)
    output, gradient = learn(layer, workers.share(values)[None], workers.share(slopes)[None])
    # Near 1e4 floats are 1e-3 apart: the mean is rounded by half of that, or 5e-4 standard deviations. It enters
    # outputs as it is, and gradients through normalised values, whose mean product with slopes is below 1.
    torch.testing.assert_close(output.double(), expected[0], rtol=0, atol=1e-3)
    torch.testing.assert_close(gradient.double(), expected[1], rtol=0, atol=1e-3)
    # The variance is that of deviations: a mean that is off by e adds e^2 only. Half a million times better than
    # a difference of sums of squares, which is off by 1e8 * 2^-24 = 6.
    torch.testing.assert_close(layer.running_var.double(), whole.running_var, rtol=1e-5, atol=0)
    torch.testing.assert_close(layer.running_mean.double(), whole.running_mean, rtol=1e-6, atol=0)


def test_a_mean_far_from_zero_costs_no_precision() -> None:
    in_group(2, far_from_zero)


def in_bf16(workers: Workers) -> None:
    torch.manual_seed(0)
    # As autocast has it: inputs in bfloat16, weights and statistics in float32.
    values = torch.randn(6, 4, 8, 8).bfloat16().contiguous(memory_format=torch.channels_last)
    slopes = torch.randn(6, 4, 8, 8).bfloat16()
    narrow, wide = (with_global_batch_norm(nn.BatchNorm2d(4), workers, CPU, compiled=True) for _ in range(2))
    share, share_slopes = (workers.share(t).contiguous(memory_format=torch.channels_last) for t in (values, slopes))
    output, gradient = learn(narrow, share[None], share_slopes[None])
    expected = list(learn(wide, share.float()[None], share_slopes.float()[None]))
    for found, exact in zip((output, gradient), expected, strict=True):
        assert found.dtype == torch.bfloat16
        assert found.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(found, exact.bfloat16()), "computed in float32, rounded once"
    torch.testing.assert_close(dict(narrow.named_buffers()), dict(wide.named_buffers()), rtol=0, atol=0)


def test_bf16_is_computed_in_float32_and_keeps_its_memory_format() -> None:
    in_group(2, in_bf16)


def recomputing(workers: Workers) -> None:
    networks = []
    torch.manual_seed(0)
    values = torch.randn(5, 3, 8, 8)
    for recompute in (False, True):
        torch.manual_seed(1)
        network = DenseNet(16, 4, in_channels=3, classes=5)
        if recompute:
            network.recompute_activations()
        network = with_global_batch_norm(network, workers, CPU, compiled=True)
        network.train()(workers.share(values)).square().sum().backward()
        networks.append(network)
    kept, again = networks
    torch.testing.assert_close(dict(again.named_buffers()), dict(kept.named_buffers()), rtol=0, atol=0)
    gradients = [[parameter.grad for parameter in network.parameters()] for network in networks]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_recomputed_activations_see_the_same_statistics_and_count_a_batch_once() -> None:
    in_group(2, recomputing)


def collectives(workers: Workers) -> tuple[list[str], list[str]]:
    """The collectives of a forward and of a backward pass."""
    from torch.profiler import ProfilerActivity, profile

    def seen(compute: Callable[[], Any]) -> list[str]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with profile(activities=[ProfilerActivity.CPU]) as profiler:
                compute()
        events = [event.name for event in profiler.events()]
        return sorted(name for name in events if name.startswith("c10d::"))

    layer = with_global_batch_norm(nn.BatchNorm2d(4), workers, CPU, compiled=True)
    output: list[Tensor] = []
    forward = seen(lambda: output.append(layer(torch.randn(2, 4, 3, 3, requires_grad=True))))
    return forward, seen(lambda: output[0].sum().backward())


def test_a_pass_has_one_collective() -> None:
    for forward, backward in in_group(2, collectives):
        assert forward == ["c10d::_allgather_base_"]
        assert backward == ["c10d::allreduce_"]


class WithEps(nn.BatchNorm2d):
    """As many networks have them: nothing but other defaults."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-3, momentum=0.01)


class Centred(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) - 0.5


class Renorm(nn.modules.batchnorm._BatchNorm):
    pass


def patched() -> nn.Module:
    layer = nn.BatchNorm2d(3)
    layer.forward = lambda values: values  # type: ignore[method-assign]
    return layer


SEVERAL = Workers(rank=0, size=2)


def test_every_batch_norm_of_pytorch_is_replaced_with_its_state() -> None:
    network = nn.Sequential(
        nn.BatchNorm1d(3),
        nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()),
        nn.BatchNorm3d(3),
        nn.SyncBatchNorm(3),
        WithEps(3),
        nn.InstanceNorm2d(3),
    )
    before = dict(network.named_parameters()), dict(network.named_buffers())

    found = with_global_batch_norm(network, SEVERAL, CPU)

    kinds = [type(module) for module in found.modules()]
    assert kinds[1:] == [
        *(GlobalBatchNorm1d, nn.Sequential, GlobalBatchNorm2d, nn.ReLU, GlobalBatchNorm3d, GlobalBatchNorm),
        *(GlobalBatchNorm2d, nn.InstanceNorm2d),
    ]
    assert found[4].eps == 1e-3
    after = dict(found.named_parameters()), dict(found.named_buffers())
    for old, new in zip(before, after, strict=True):
        assert list(old) == list(new)
        assert all(old[name] is new[name] for name in old)


def test_one_worker_keeps_its_network() -> None:
    network = nn.Sequential(Centred(3), nn.BatchNorm2d(3))
    assert with_global_batch_norm(network, Workers(), CPU) is network
    assert [type(module) for module in network] == [Centred, nn.BatchNorm2d]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Centred(3), r"Centred \(1\.0\) with batch statistics that user code computes"),
        (lambda: Renorm(3), r"Renorm \(1\.0\) with batch statistics that user code computes"),
        (lambda: nn.LazyBatchNorm2d(), r"LazyBatchNorm2d \(1\.0\) with batch statistics that user code computes"),
        (patched, r"BatchNorm2d \(1\.0\) with batch statistics that user code computes"),
        (lambda: nn.BatchNorm2d(3, track_running_stats=False), r"BatchNorm2d \(1\.0\) with track_running_stats: False"),
        (lambda: nn.InstanceNorm2d(3, track_running_stats=True), r"InstanceNorm2d \(1\.0\) with running statistics of"),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_statistics_that_would_stay_local_are_refused(make: Callable[[], nn.Module], said: str) -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Sequential(make()))
    with pytest.raises(
        TrainingError, match=rf"^the network has the layer {said}.*, which 2 workers cannot share\n"
    ) as e:
        with_global_batch_norm(network, SEVERAL, CPU)
    assert e.value.remedy == (
        "use nn.BatchNorm1d, nn.BatchNorm2d or nn.BatchNorm3d as they are, or set resources.workers: 1"
    )
    assert type(network[0]) is nn.BatchNorm2d, "nothing is replaced in a network that is refused"


def test_a_refusal_names_the_file() -> None:
    text = """\
from torch import nn
class Norm(nn.BatchNorm1d):
    def forward(self, values):
        return super().forward(values)
def dense(input_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(4), Norm(4))
"""
    spec = OwnNetworkSpec(code=UserCode(file="mine.py", name="dense", text=text))
    with pytest.raises(TrainingError, match=r"^mine\.py: the network of dense has the layer Norm \(2\) with"):
        with_global_batch_norm(UserNetwork(spec, input_shape=(1, 2, 2), classes=3), SEVERAL, CPU)
