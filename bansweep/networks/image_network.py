"""What image networks share: stages, initial weights, recomputed activations, and networks of user code.

Activations that are computed again in the backward pass rather than kept: T. Chen, B. Xu, C. Zhang and C. Guestrin,
"Training Deep Nets with Sublinear Memory Cost", 2016; of DenseNets G. Pleiss, D. Chen, G. Huang, T. Li, L. van der
Maaten and K. Weinberger, "Memory-Efficient Implementation of DenseNets", 2017.

    image -> stem -> stage -> stage -> stage -> BN, ReLU, mean over pixels -> linear

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

from bansweep.config.networks import UserNetwork as OwnNetworkSpec
from bansweep.user_code import failure, user_function, wrong_result


def initialise(network: nn.Module) -> None:
    """Draw the weights of every convolution and zero the bias of every linear layer, in place.

    He et al. (2015), section 2.2, "backward" form: normal with variance 2 / (kernel area * output channels), which both
    authors' Lua code uses. Linear weights and batch normalisation (scale 1, shift 0) keep PyTorch's defaults.
    Random numbers come from PyTorch's global generator: seed it before the network is built. On the meta device there
    is nothing to draw, which takes PyTorch as long as drawing does.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


def recomputed(function: Callable[..., Tensor], *inputs: Tensor, unit: nn.Module) -> Tensor:
    """`function(*inputs)`, of which autograd keeps the inputs only; the backward pass calls `function` once more.

    `unit` holds the layers that `function` applies. The second call draws the same dropout masks, runs under the same
    autocast, and leaves the unit's buffers alone: running statistics have seen the batch already. So do workers that
    share batch normalisation: each makes its second calls, with their all-reduces, in the same order as all others.
    """
    return checkpoint(
        function,
        *inputs,
        use_reentrant=False,
        preserve_rng_state=True,
        context_fn=lambda: (nullcontext(), _BuffersSetAside(unit)),
    )


class _BuffersSetAside:
    """Within it a module's buffers are copies, and what is done to them is forgotten.

    Not by `track_running_stats`: batch normalisation would then save fewer tensors than the first time.
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


class Stage(nn.Sequential):
    """Takes and gives features (B, K, H, W).

    With `recompute`, training keeps the inputs of each unit and computes the rest again in the backward pass.
    Evaluation, and whatever runs without gradients, keeps nothing anyway.
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


class ImageNetwork(nn.Module):
    """A network for images (B, K, H, W); gives logits (B, C)."""

    @abstractmethod
    def forward(self, images_BKHW: Tensor) -> Tensor: ...

    @abstractmethod
    def forward_with_stages(self, images_BKHW: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The logits, and the features (B, K, H, W) after each stage, where it has stages."""

    @abstractmethod
    def recompute_activations(self) -> None:
        """From now on compute activations again in the backward pass of training rather than keep them, if it can."""


class StagedNetwork(ImageNetwork):
    """A network for images (B, K, H, W); gives logits (B, `classes`).

    `channels` is what the last stage gives. Subclasses build `stem` and `stages`, in this order, and hand them over:
    random weights are drawn as modules are made, so that the order is part of what a seed means.
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
        """From now on compute each unit's activations again in the backward pass of training rather than keep them."""
        for stage in self.stages:
            assert isinstance(stage, Stage)
            stage.recompute = True

    def forward(self, images_BKHW: Tensor) -> Tensor:
        return self._classified(self.stages(self.stem(images_BKHW)))

    def forward_with_stages(self, images_BKHW: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The logits (B, C), and the features (B, K, H, W) after each stage.

        Features are what a stage gives to the next one, before any activation. They stay as they are: what follows
        works in place on outputs of its own only. Not in `forward`, since it keeps all features alive.
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


class UserNetwork(ImageNetwork):
    """The module that the user's code makes; what goes wrong in it is told with the user's file and line."""

    def __init__(self, spec: OwnNetworkSpec, *, input_shape: tuple[int, int, int], classes: int) -> None:
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
        """Nothing: only whoever wrote it knows where."""
