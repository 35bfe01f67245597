"""A pretended GPU, to count without one what would make the host wait for it.

Inside `with PretendedDevice() as device:` tensors that are made on or moved to `device.device` stay in host memory but
report `cuda:0`. Two modes watch them: a function mode answers for devices (`.device`, `.to`, `device=...`, pinned
memory), and a dispatch mode sees every operation below autograd, also in the backward pass. As on a GPU,

- an operation on tensors of both sides raises `MixedDevicesError`, unless it copies or the one on the host has no
  dimensions;
- each wait of the host is counted with its cause and the package's innermost line: copies that block, values that the
  host reads, and operations whose result has a size that only the GPU knows.

A copy to the device does not block if it is `non_blocking` from contiguous pinned memory. Every copy to the host is
counted. Results are those of the CPU. What is not imitated: streams, kernels, memory, numbers that differ.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch import Tensor
from torch.autograd.graph import _engine_run_backward
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import bansweep

PACKAGE = str(Path(bansweep.__file__).parent)
aten = torch.ops.aten

TO_DEVICE, TO_HOST, READ, INDEX = "copy to the device", "copy to the host", "value read", "index on the host"
UNKNOWN_SIZE = {
    aten.nonzero: "nonzero",
    aten.masked_select: "masked_select",
    aten._unique2: "unique",
    aten.unique_dim: "unique",
    aten.unique_consecutive: "unique_consecutive",
    aten.unique_dim_consecutive: "unique_consecutive",
    aten.bincount: "bincount",
}
READING = {aten._local_scalar_dense, aten.equal, aten._linalg_check_errors}
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index}
FROM_VALUES = {torch.tensor, torch.as_tensor, torch.asarray, Tensor.new_tensor}


class Wait(NamedTuple):
    """Why the host waits, and where: a path in the package and a line."""

    cause: str
    line: str


class MixedDevicesError(RuntimeError):
    """An operation took tensors of the host and of the device."""


class PretendedDevice:
    """Counts `waits` until `clear`. A test without CUDA only; enter it once."""

    def __init__(self) -> None:
        self.device = torch.device("cuda", 0)
        self.waits: Counter[Wait] = Counter()
        self._on_device, self._pinned = _Storages(), _Storages()
        # Where an operation creates tensors that it was not told a device for.
        self._creates_on_device = False
        self._entered = ExitStack()

    def __enter__(self) -> PretendedDevice:
        for change in _changes_of_torch(self):
            self._entered.enter_context(change)
        self._entered.enter_context(_Operations(self))
        self._entered.enter_context(_Functions(self))
        return self

    def __exit__(self, *_: object) -> None:
        self._entered.close()

    def clear(self) -> None:
        self.waits.clear()

    @property
    def count(self) -> int:
        """How often the host has waited."""
        return self.waits.total()

    def holds(self, tensor: Tensor) -> bool:
        return tensor in self._on_device

    @property
    def allocations(self) -> int:
        """How many tensors' memory is in use on the device; views share it."""
        return len(self._on_device)

    def wait(self, cause: str) -> None:
        self.waits[Wait(cause, _line_of_package())] += 1

    # What the function mode answers.

    def move(self, values: Tensor, *, to_device: bool, non_blocking: bool, copy: bool = False, **form: Any) -> Tensor:
        """`Tensor.to`. `form`: dtype and memory_format."""
        if self.holds(values) == to_device:
            return values.to(copy=copy, **form)
        if to_device:
            asynchronous = non_blocking and values in self._pinned and values.is_contiguous()
            if not asynchronous:
                self.wait(TO_DEVICE)
        else:
            self.wait(TO_HOST)
        moved = values.to(copy=True, **form)
        (self._on_device.add if to_device else self._on_device.discard)(moved)
        return moved

    def pin(self, values: Tensor) -> Tensor:
        if self.holds(values):
            raise RuntimeError("cannot pin a tensor of the device")
        self._pinned.add(pinned := values.clone())
        return pinned

    def is_pinned(self, values: Tensor) -> bool:
        return values in self._pinned

    def note_pinned(self, values: Tensor) -> None:
        self._pinned.add(values)

    def put_on_device(self, values: Tensor) -> Tensor:
        self._on_device.add(values)
        return values

    @contextmanager
    def creating(self, *, on_device: bool) -> Iterator[None]:
        before, self._creates_on_device = self._creates_on_device, on_device
        try:
            yield
        finally:
            self._creates_on_device = before

    # What the dispatch mode sees.

    def compute(self, func: torch._ops.OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        tensors = _tensors_in((args, kwargs))
        on_device = [tensor for tensor in tensors if self.holds(tensor)]
        packet = func.overloadpacket
        if packet is aten.copy_:
            self._count_copy(*args, **kwargs)
            return func(*args, **kwargs)
        if packet in INDEXING and self.holds(args[0]):
            self._count_indexing(args[1], args[2] if packet not in (aten.index, aten._unsafe_index) else None)
        elif on_device and any(tensor.dim() > 0 and not self.holds(tensor) for tensor in tensors):
            sides = ", ".join(f"{'device' if self.holds(one) else 'host'} {tuple(one.shape)}" for one in tensors)
            raise MixedDevicesError(f"{func} at {_line_of_package()}: {sides}")
        if on_device and packet in READING:
            self.wait(READ)
        elif on_device and packet in UNKNOWN_SIZE:
            self.wait(UNKNOWN_SIZE[packet])
        elif on_device and func is aten.repeat_interleave.Tensor and kwargs.get("output_size") is None:
            self.wait("repeat_interleave")
        result = func(*args, **kwargs)
        if on_device or (self._creates_on_device and not tensors):
            self._on_device.add(*_tensors_in(result))
        return result

    def _count_copy(self, target: Tensor, source: Tensor, non_blocking: bool = False) -> None:
        if self.holds(target) == self.holds(source):
            return
        if self.holds(source):
            self.wait(TO_HOST)
        elif not (non_blocking and source in self._pinned and source.is_contiguous()):
            self.wait(TO_DEVICE)

    def _count_indexing(self, indices: Iterable[Tensor | None], values: Tensor | None) -> None:
        for index in indices:
            if index is None:
                continue
            # A mask for one value is no index but a fill.
            if index.dtype in (torch.bool, torch.uint8) and (values is None or values.numel() != 1):
                self.wait("boolean index")
            if not self.holds(index):
                self.wait(INDEX)
        if values is not None and values.dim() > 0 and not self.holds(values):
            raise MixedDevicesError(f"values of the host put into the device at {_line_of_package()}")


class _Storages:
    """A set of tensors by their memory: a view belongs to it, and what autograd keeps of a tensor does."""

    def __init__(self) -> None:
        # A weak reference keeps the address from being given to another storage.
        self._references: dict[int, StorageWeakRef] = {}
        self._prune_at = 1000

    def add(self, *tensors: Tensor) -> None:
        for tensor in tensors:
            reference = StorageWeakRef(tensor.untyped_storage())
            self._references[reference.cdata] = reference
        if len(self._references) > self._prune_at:
            self._prune_at = 2 * len(self) + 1000

    def __len__(self) -> int:
        self._references = {key: one for key, one in self._references.items() if not one.expired()}
        return len(self._references)

    def discard(self, tensor: Tensor) -> None:
        self._references.pop(tensor.untyped_storage()._cdata, None)

    def __contains__(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self._references


class _Operations(TorchDispatchMode):
    def __init__(self, pretended: PretendedDevice) -> None:
        super().__init__()
        self._pretended = pretended

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunction():
            if torch.is_inference_mode_enabled():
                # Composite operations, such as `item`, are then taken apart below this mode; elsewhere above it.
                with self:
                    result = func.decompose(*args, **(kwargs or {}))
                if result is not NotImplemented:
                    return result
            return self._pretended.compute(func, args, kwargs or {})


class _Functions(TorchFunctionMode):
    def __init__(self, pretended: PretendedDevice) -> None:
        super().__init__()
        self._pretended = pretended

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        device, kwargs = self._pretended, dict(kwargs or {})
        is_on_device = any(device.holds(tensor) for tensor in _tensors_in((args, kwargs)))
        if getattr(func, "__name__", "") == "__get__":
            match getattr(func.__self__, "__name__", ""):
                case "device":
                    return device.device if is_on_device else torch.device("cpu")
                case "is_cuda":
                    return is_on_device
                case "is_cpu":
                    return not is_on_device
        elif func is Tensor.backward and all(option in (None, False) for option in kwargs.values()):
            # Not `func`, in which this mode is off: the package's own functions run in a backward pass, too.
            with self, device.creating(on_device=is_on_device):
                _engine_run_backward(
                    args, (torch.ones_like(args[0]),), False, False, (), allow_unreachable=True, accumulate_grad=True
                )
            return None
        elif func in (Tensor.to, Tensor.cpu, Tensor.cuda):
            return self._move(func, *args, **kwargs)
        elif func is Tensor.pin_memory:
            return device.pin(args[0])
        elif func is Tensor.is_pinned:
            return device.is_pinned(args[0])
        elif is_on_device and func in (Tensor.numpy, Tensor.__array__):
            raise TypeError(f"a tensor of the device has no NumPy array, at {_line_of_package()}")
        elif is_on_device and func is Tensor.tolist:
            device.wait(READ)
        return self._create(func, args, kwargs, is_on_device)

    def _move(self, func: Any, values: Tensor, *args: Any, copy: bool = False, **kwargs: Any) -> Tensor:
        device = self._pretended
        if func is Tensor.cpu:
            return device.move(values, to_device=False, non_blocking=False, **kwargs)
        if func is Tensor.cuda:
            return device.move(values, to_device=True, non_blocking=bool(kwargs.get("non_blocking")))
        if args and isinstance(args[0], Tensor):
            args = (device.device if device.holds(args[0]) else torch.device("cpu"), args[0].dtype, *args[1:])
        to, dtype, non_blocking, memory_format = torch._C._nn._parse_to(*args, **kwargs)
        form: dict[str, Any] = {"dtype": dtype or values.dtype}
        if memory_format is not None:
            form["memory_format"] = memory_format
        to_device = device.holds(values) if to is None else to.type == "cuda"
        return device.move(values, to_device=to_device, non_blocking=non_blocking, copy=copy, **form)

    def _create(self, func: Any, args: Any, kwargs: dict[str, Any], is_on_device: bool) -> Any:
        device = self._pretended
        pinned = bool(kwargs.pop("pin_memory", False))
        if kwargs.get("device") is not None:
            is_on_device = torch.device(kwargs["device"]).type == "cuda"
            kwargs["device"] = "cpu"
            if is_on_device and kwargs.get("generator") is not None:
                raise MixedDevicesError(f"a generator of the host draws for the device at {_line_of_package()}")
            if is_on_device and func in FROM_VALUES:
                device.wait(TO_DEVICE)
                return device.put_on_device(func(*args, **kwargs).clone())
        with device.creating(on_device=is_on_device):
            result = func(*args, **kwargs)
        if pinned:
            device.note_pinned(result)
        return result


def _changes_of_torch(pretended: PretendedDevice) -> Iterator[Any]:
    """What PyTorch would ask a real device, or decide in C++ by a tensor's real device."""
    for name, answer in {
        "current_device": 0,
        "empty_cache": None,
        "get_device_name": "a pretended device",
        "max_memory_allocated": 0,
        "reset_peak_memory_stats": None,
    }.items():
        yield patch.object(torch.cuda, name, lambda *_, answer=answer: answer)
    yield patch.object(torch.nn.LSTM, "flatten_parameters", lambda _: None)
    yield patch.object(torch, "autocast", _Autocast)
    group = torch._C._group_tensors_by_device_and_dtype

    def grouped(lists: list[list[Tensor | None]], with_indices: bool = False) -> dict[Any, Any]:
        groups = group(lists, with_indices)
        with torch._C.DisableTorchFunction():
            return {
                (pretended.device if pretended.holds(members[0][0][0]) else of, dtype): members
                for (of, dtype), members in groups.items()
            }

    yield patch.object(torch._C, "_group_tensors_by_device_and_dtype", grouped)


class _Autocast(torch.autocast):
    """Autocasts where the tensors really are."""

    def __init__(self, device_type: str, *args: Any, **kwargs: Any) -> None:
        super().__init__("cpu" if device_type == "cuda" else device_type, *args, **kwargs)


def _tensors_in(values: Any) -> list[Tensor]:
    """All tensors in nested lists, tuples and dictionaries."""
    if isinstance(values, Tensor):
        return [values]
    if isinstance(values, dict):
        values = list(values.values())
    return [tensor for value in values for tensor in _tensors_in(value)] if isinstance(values, list | tuple) else []


def _line_of_package() -> str:
    """The innermost line of the package that is being run."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(PACKAGE):
            return f"{file.removeprefix(PACKAGE)[1:]}:{frame.f_lineno}"
        frame = frame.f_back
    return "outside of the package"
