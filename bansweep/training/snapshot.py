"""The tensors that a generation is, and resumes from, as safetensors bytes: no pickle is ever loaded from a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

_MODEL = "model."
_OPTIMIZER = "optimizer."
"""Before the name of a state, which has no dot, and the name of its parameter: `optimizer.exp_avg.stem.weight`."""
_GROUP = "optimizer_group."
"""Before the number of a parameter group and the name of one of its numbers: `optimizer_group.0.lr`."""
_MOMENTUM = "momentum."
"""Before the name of a parameter: progress that earlier versions saved has its `momentum_buffer` there."""
_BEST = "best."
_NUMBERS = {int: torch.int64, float: torch.float64}


def weights_bytes(network: nn.Module) -> bytes:
    """The network's state (parameters and buffers) in safetensors format."""
    return safetensors.torch.save(_portable(network.state_dict()))


def load_weights(network: nn.Module, weights: bytes) -> None:
    """Copy stored weights into a network of the same shape."""
    network.load_state_dict(safetensors.torch.load(weights))


def state_of(network: nn.Module) -> dict[str, Tensor]:
    """A copy of the network's state on the host, which further training leaves alone."""
    return {name: tensor.clone() for name, tensor in _portable(network.state_dict()).items()}


def snapshot_bytes(
    network: nn.Module, optimizer: torch.optim.Optimizer, best: Mapping[str, Tensor] | None = None
) -> bytes:
    """Weights and the optimizer's state: with the history, all that the next epoch depends on. `best` goes with them.

    Of the optimizer's parameter groups it holds the numbers, because some optimizers change them as they go. All other
    settings are in the recipe, or suit the device. Raises TypeError if a state is anything but a tensor.
    """
    tensors = {f"{_MODEL}{name}": tensor for name, tensor in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        # A frozen parameter has no state, and None stands for one that is not there yet.
        for key, value in optimizer.state.get(parameter, {}).items():
            if value is None:
                continue
            if not isinstance(value, Tensor):
                kind = f"{type(optimizer).__name__} keeps {key!r} of {name} as {type(value).__name__}"
                raise TypeError(f"{kind}; progress holds tensors only")
            tensors[f"{_OPTIMIZER}{key}.{name}"] = value
    for number, group in enumerate(optimizer.param_groups):
        for key, value in group.items():
            if (dtype := _NUMBERS.get(type(value))) is not None:
                tensors[f"{_GROUP}{number}.{key}"] = torch.tensor(value, dtype=dtype)
    tensors |= {f"{_BEST}{name}": tensor for name, tensor in (best or {}).items()}
    return safetensors.torch.save(_portable(tensors))


def load_snapshot(network: nn.Module, optimizer: torch.optim.Optimizer, snapshot: bytes) -> dict[str, Tensor] | None:
    """Restore what `snapshot_bytes` saved, bit for bit, onto the devices and in the memory formats of the network.

    Returns its `best`. Reads what earlier versions saved, too.
    """
    tensors = safetensors.torch.load(snapshot)
    network.load_state_dict(_below(tensors, _MODEL))
    saved = _below(tensors, _OPTIMIZER)
    saved |= {f"momentum_buffer.{name}": momentum for name, momentum in _below(tensors, _MOMENTUM).items()}
    parameters = dict(network.named_parameters())
    groups = {parameter: group for group in optimizer.param_groups for parameter in group["params"]}
    optimizer.state.clear()
    for key_and_name, value in saved.items():
        key, _, name = key_and_name.partition(".")
        parameter = parameters[name]
        optimizer.state[parameter][key] = _placed(key, value, parameter, groups[parameter])
    for number_and_key, value in _below(tensors, _GROUP).items():
        number, _, key = number_and_key.partition(".")
        optimizer.param_groups[int(number)][key] = value.item()
    return _below(tensors, _BEST) or None


def _placed(key: str, value: Tensor, parameter: Tensor, group: Mapping[str, Any]) -> Tensor:
    """A state of a parameter where the optimizer looks for it, in the type that it had."""
    if key == "step" and not (group.get("capturable") or group.get("fused")):
        return value.clone()  # PyTorch's optimizers count steps on the host, unless a GPU is to read them
    if value.shape == parameter.shape:
        return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
    return value.to(parameter.device)


def _portable(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    # safetensors stores contiguous tensors only; channels_last ones are not.
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
