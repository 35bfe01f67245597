"""The tensors that a generation is, and resumes from, as safetensors bytes: no pickle is ever loaded from a store."""

from __future__ import annotations

from collections.abc import Mapping

import safetensors.torch
import torch
from torch import Tensor, nn

_MODEL = "model."
_MOMENTUM = "momentum."
_BEST = "best."


def weights_bytes(network: nn.Module) -> bytes:
    """The network's state (parameters and buffers) in safetensors format."""
    return safetensors.torch.save(_portable(network.state_dict()))


def load_weights(network: nn.Module, weights: bytes) -> None:
    """Copy stored weights into a network of the same shape."""
    network.load_state_dict(safetensors.torch.load(weights))


def state_of(network: nn.Module) -> dict[str, Tensor]:
    """A copy of the network's state on the host, which further training leaves alone."""
    return {name: tensor.clone() for name, tensor in _portable(network.state_dict()).items()}


def snapshot_bytes(network: nn.Module, optimizer: torch.optim.SGD, best: Mapping[str, Tensor] | None = None) -> bytes:
    """Weights and momenta: with the epoch number, all that the next epoch depends on. `best` is kept with them."""
    tensors = {f"{_MODEL}{name}": tensor for name, tensor in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        momentum = optimizer.state.get(parameter, {}).get("momentum_buffer")
        if momentum is not None:  # a frozen parameter has none
            tensors[f"{_MOMENTUM}{name}"] = momentum
    tensors |= {f"{_BEST}{name}": tensor for name, tensor in (best or {}).items()}
    return safetensors.torch.save(_portable(tensors))


def load_snapshot(network: nn.Module, optimizer: torch.optim.SGD, snapshot: bytes) -> dict[str, Tensor] | None:
    """Restore what `snapshot_bytes` saved, bit for bit, onto the devices and in the memory formats of the network.

    Returns its `best`.
    """
    tensors = safetensors.torch.load(snapshot)
    network.load_state_dict(_below(tensors, _MODEL))
    momenta = _below(tensors, _MOMENTUM)
    for name, parameter in network.named_parameters():
        if name in momenta:
            buffer = torch.empty_like(parameter, requires_grad=False)
            optimizer.state[parameter]["momentum_buffer"] = buffer.copy_(momenta[name])
    return _below(tensors, _BEST) or None


def _portable(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    # safetensors stores contiguous tensors only; channels_last ones are not.
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
