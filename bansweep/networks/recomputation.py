"""Activations that are computed again in the backward pass rather than kept: T. Chen, B. Xu, C. Zhang and C. Guestrin,
"Training Deep Nets with Sublinear Memory Cost", 2016; of DenseNets G. Pleiss, D. Chen, G. Huang, T. Li, L. van der
Maaten and K. Weinberger, "Memory-Efficient Implementation of DenseNets", 2017.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from types import TracebackType

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


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
