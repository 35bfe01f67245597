"""What image networks share: stages, initial weights, recomputed activations, and networks of user code.

    image -> stem -> stage -> stage -> stage -> BN, ReLU, mean over pixels -> linear

Training may recompute activations in the backward pass instead of storing them: T. Chen, B. Xu, C. Zhang and
C. Guestrin, "Training Deep Nets with Sublinear Memory Cost", 2016; for DenseNets G. Pleiss, D. Chen, G. Huang, T. Li,
L. van der Maaten and K. Weinberger, "Memory-Efficient Implementation of DenseNets", 2017.
Shape suffixes: B batch, K channels, H W pixels, C classes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import nullcontext
from types import TracebackType

import torch
from torch import Tensor, nn
from torch.nn.functional import relu
from torch.utils.checkpoint import checkpoint

from bansweep.config import networks as network_specs
from bansweep.user_code import failure, user_function, wrong_result


class ImageNetwork(nn.Module):
    """A network for images (B, K, H, W); gives logits (B, C)."""

    @abstractmethod
    def forward(self, images_BKHW: Tensor) -> Tensor: ...

    @abstractmethod
    def forward_with_stages(self, images_BKHW: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The logits, and the features (B, K, H, W) after each stage, where it has stages."""

    @abstractmethod
    def recompute_activations(self) -> None:
        """From now on recompute activations in the backward pass of training, where the network supports it."""


class StagedNetwork(ImageNetwork):
    """A network for images (B, K, H, W); gives logits (B, `classes`).

    `channels` is the number that the last stage gives. Subclasses build `stem` and then `stages`: random weights are
    drawn when modules are made, so the weights of a seed depend on this order.
    """

    def __init__(self, stem: nn.Conv2d, stages: nn.Sequential, *, channels: int, classes: int) -> None:
        assert len(stages) == 3, f"a network has three stages, not {len(stages)}"
        super().__init__()
        self.stem = stem
        self.stages = stages
        self.norm = nn.BatchNorm2d(channels)
        self.classifier = nn.Linear(channels, classes)
        initialise(self)

    def recompute_activations(self) -> None:
        """From now on recompute each unit's activations in the backward pass of training."""
        for stage in self.stages:
            assert isinstance(stage, Stage)
            stage.recompute = True

    def forward(self, images_BKHW: Tensor) -> Tensor:
        return self._classified(self.stages(self.stem(images_BKHW)))

    def forward_with_stages(self, images_BKHW: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The logits (B, C), and the features (B, K, H, W) after each stage.

        Features are what a stage passes to the next one, before any activation. Later layers do not change them: they
        work in place on their own outputs only. Not part of `forward`, because it keeps all features alive.
        """
        features_BKHW: Tensor = self.stem(images_BKHW)
        outputs = []
        for stage in self.stages:
            features_BKHW = stage(features_BKHW)
            outputs.append(features_BKHW)
        return self._classified(features_BKHW), tuple(outputs)

    def _classified(self, features_BKHW: Tensor) -> Tensor:
        activated_BKHW = relu(self.norm(features_BKHW), inplace=True)
        logits_BC: Tensor = self.classifier(activated_BKHW.mean(dim=(2, 3)))
        return logits_BC


class Stage(nn.Sequential):
    """Takes and gives features (B, K, H, W).

    With `recompute`, training stores only the inputs of each unit, and the backward pass recomputes the rest. Without
    gradients, as in evaluation, nothing is stored in any case.
    """

    recompute: bool = False

    def forward(self, features_BKHW: Tensor) -> Tensor:
        if self.recompute and self.training and torch.is_grad_enabled():
            return self._recomputed(features_BKHW)
        for unit in self:
            features_BKHW = unit(features_BKHW)
        return features_BKHW

    def _recomputed(self, features_BKHW: Tensor) -> Tensor:
        for unit in self:
            features_BKHW = recomputed(unit, features_BKHW, unit=unit)
        return features_BKHW


class UserNetwork(ImageNetwork):
    """The module that user code makes; its errors are reported with the user's file and line."""

    def __init__(self, spec: network_specs.UserNetwork, *, input_shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        network = user_function(spec)(input_shape, classes)
        if not isinstance(network, nn.Module):
            raise wrong_result(spec.code, "a torch.nn.Module", type(network).__name__)
        self.network = network
        self.code = spec.code
        self._classes = classes

    def forward(self, images_BKHW: Tensor) -> Tensor:
        try:
            logits_BC = self.network(images_BKHW)
        except Exception as error:
            raise failure(self.code, error) from error
        expected = (len(images_BKHW), self._classes)
        if not isinstance(logits_BC, Tensor) or tuple(logits_BC.shape) != expected:
            got = tuple(logits_BC.shape) if isinstance(logits_BC, Tensor) else type(logits_BC).__name__
            raise wrong_result(self.code, f"a module that gives logits of shape {expected}", got)
        return logits_BC

    def forward_with_stages(self, images_BKHW: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        return self(images_BKHW), ()

    def recompute_activations(self) -> None:
        """Does nothing: the units of a user's module are unknown."""


def initialise(network: nn.Module) -> None:
    """Draw the weights of every convolution and zero the bias of every linear layer, in place.

    He et al. (2015), section 2.2, "backward" form: normal with variance 2 / (kernel area * output channels), which both
    authors' Lua code uses. Linear weights and batch normalisation (scale 1, shift 0) keep PyTorch's defaults.
    Random numbers come from PyTorch's global generator: seed it before the network is built. Weights on the meta device
    are skipped: PyTorch takes as long for them as for real ones.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


def recomputed(function: Callable[..., Tensor], *inputs: Tensor, unit: nn.Module) -> Tensor:
    """`function(*inputs)`, of which autograd stores only the inputs; the backward pass calls `function` again.

    `unit` holds the layers that `function` applies. The second call draws the same dropout masks, runs under the same
    autocast, and does not change the unit's buffers: running statistics include the batch already. Workers that share
    batch normalisation make their second calls, with the all-reduces in them, in the same order.
    """
    return checkpoint(
        function,
        *inputs,
        use_reentrant=False,
        preserve_rng_state=True,
        context_fn=lambda: (nullcontext(), _BuffersSetAside(unit)),
    )


class _BuffersSetAside:
    """A context in which a module's buffers are copies, so that changes to them are discarded.

    `track_running_stats: False` would not do: batch normalisation would save fewer tensors than in the first call.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._own: list[tuple[nn.Module, str, Tensor]] = []

    def __enter__(self) -> None:
        self._own = [
            (layer, name, buffer)
            for layer in self._module.modules()
            for name, buffer in layer.named_buffers(recurse=False)
        ]
        for layer, name, buffer in self._own:
            setattr(layer, name, buffer.clone())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for layer, name, buffer in self._own:
            setattr(layer, name, buffer)
        self._own = []
