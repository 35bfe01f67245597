"""torch.compile for training: settings, a probe, classified errors, and uncompiled training as the fallback.

Inductor writes C++ or Triton kernels and needs a C compiler for either. A node without one trains uncompiled.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import socket
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from bansweep.data.cache import cache_folder
from bansweep.errors import BansweepError, TrainingError
from bansweep.graph.events import CompileFailure
from bansweep.training.memory import is_out_of_memory
from bansweep.training.workers import Workers, distributed

SWITCH_OFF = "Set resources.compile: false to skip the attempt"
_INSTALL = "Install gcc, g++ and the headers of C and Python on the nodes, or set resources.compile: false"
_LONGEST_CAUSE = 200
_NO_COMPILER = re.compile(r"No working C\+\+ compiler found|Failed to find C compiler|Compiler: .* is not found")
_COMPILER_ERROR = re.compile(r"\b(?:fatal )?error: [^\n]+")

_CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
_TRITON_CACHE_VARIABLE = "TRITON_CACHE_DIR"
_THREADS_VARIABLE = "TORCHINDUCTOR_COMPILE_THREADS"

_CPUINFO = Path("/proc/cpuinfo")
_CPU_KIND = frozenset({"model name", "flags", "CPU implementer", "CPU part", "Features"})  # of x86 and ARM

Function = TypeVar("Function", bound=Callable[..., object])


def compile_failure(workers: Workers, device: torch.device) -> CompileFailure | None:
    """Why torch.compile does not work on all workers' devices; None where it does. Call it on every worker.

    Each process compiles a tiny function once for each device. All workers return the same answer. Side effects: see
    `compiled`.
    """
    failures = workers.from_all(_failure_here(device))
    return next((failure for failure in failures if failure is not None), None)


@cache
def _failure_here(device: torch.device) -> CompileFailure | None:
    try:
        _compile_tiny_function(device)
    except Exception as error:
        if not may_be_compile_error(error):
            raise unwrapped(error) from error
        return CompileFailure(socket.gethostname(), cause_of(error), remedy_for(error))
    return None


def _compile_tiny_function(device: torch.device) -> None:
    def scaled_sum(values: Tensor) -> Tensor:
        return (torch.relu(values) * 2 + 1).sum()

    function = compiled(scaled_sum)
    from torch._inductor.runtime.cache_dir_utils import cache_dir
    from torch._inductor.utils import fresh_cache

    values = torch.ones(64, 64, device=device, requires_grad=True)
    # In an empty cache: code that an earlier process compiled needs no compiler. In the same file system: some are
    # mounted without the right to execute.
    with tempfile.TemporaryDirectory(dir=cache_dir(), ignore_cleanup_errors=True) as folder, fresh_cache(dir=folder):
        result = function(values)
        assert isinstance(result, Tensor)
        result.backward()


def compiled(function: Function) -> Function:
    """A function or module that inductor compiles at its first call, for the shapes of that call.

    Equal work gives equal bits. Random numbers come from PyTorch's generators in their usual order: compiled dropout
    draws the masks of eager dropout. Shapes are static: whether dynamo finds that a shape varies depends on what this
    process trained before. Side effects: sets the environment variables of inductor's threads and caches, unless the
    user has set them.
    """
    _set_environment()
    from torch._inductor import list_options

    threads = torch.get_num_threads()
    wanted: dict[str, str | int | bool | Callable[..., object]] = {
        "deterministic": True,  # choose kernels by rules, not by measured durations
        "fallback_random": True,
        "compile_threads": int(os.environ[_THREADS_VARIABLE]),
        # The code contains the number of threads. As a setting it is part of the key of inductor's cache as well.
        "cpp.threads": threads,
    }
    known = set(list_options())  # they differ between versions of PyTorch
    options = {name: value for name, value in wanted.items() if name in known}
    return cast(Function, torch.compile(function, dynamic=False, options=options))


def _set_environment() -> None:
    # Inductor would start a process for each core. It reads this once, when it is imported.
    os.environ.setdefault(_THREADS_VARIABLE, str(torch.get_num_threads()))
    if _CACHE_VARIABLE not in os.environ and (folder := _compiled_code_folder()) is not None:
        os.environ[_CACHE_VARIABLE] = str(folder)
    if _TRITON_CACHE_VARIABLE not in os.environ and _CACHE_VARIABLE in os.environ:
        os.environ[_TRITON_CACHE_VARIABLE] = str(Path(os.environ[_CACHE_VARIABLE]) / "triton")


def _compiled_code_folder() -> Path | None:
    """The folder for compiled code in the cache; None, which leaves PyTorch's default, where it cannot be used.

    Processes may share it: inductor writes files atomically. No other user may write it, because its code is executed.
    On a shared disk each kind of CPU has its own: inductor compiles with `-march=native`.
    """
    folder = cache_folder() / f"compiled-{os.getuid()}-{_cpu_digest()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        return None
    others_write = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return folder if status.st_uid == os.getuid() and not others_write else None


def _cpu_digest() -> str:
    """Equal for CPUs that run the same code, judged by Linux's description of the first one."""
    try:
        lines = _CPUINFO.read_text(errors="replace").partition("\n\n")[0].splitlines()
    except OSError:
        lines = []
    described = [line for line in lines if line.partition(":")[0].strip() in _CPU_KIND]
    return hashlib.sha256("\n".join([platform.machine(), *described]).encode()).hexdigest()[:8]


class CompiledForward:
    """The forward pass of a module, compiled. Where compiling this module fails, it runs uncompiled from then on.

    The first call runs a forward and a backward pass and discards the results: inductor compiles the backward pass
    only when it is needed, after the forward pass has changed running statistics. Weights, buffers, gradients and the
    random generators are restored. An error that uncompiled training raises, too, is raised.
    """

    def __init__(
        self,
        module: nn.Module,
        workers: Workers,
        device: torch.device,
        on_failure: Callable[[CompileFailure], None],
    ) -> None:
        # Dynamo keeps eight compiled versions of a forward method, whatever module it belongs to. A process that has
        # trained networks of eight shapes would silently run the ninth uncompiled. Inductor's cache on disk makes it
        # cheap to compile a shape again, and a result does not depend on what was trained before.
        torch.compiler.reset()
        self.works = True
        self._module = module
        self._workers = workers
        self._device = device
        self._on_failure = on_failure
        if workers.size > 1:
            # Dynamo cannot cut a graph where DDP's buckets end, through the backward pass of batch normalisation over
            # all workers. Gradients are therefore averaged after the backward pass, not while it runs.
            from torch._dynamo import config

            config.optimize_ddp = False
        # The network is compiled, not DDP around it, whose forward pass dynamo cannot trace.
        self._compiled = distributed(compiled(module), workers, device)
        self._tried = False

    def __call__(self, images_BKHW: Tensor) -> object:
        if not self._tried:
            self._tried = True
            self._try(images_BKHW)
        return (self._compiled if self.works else self._module)(images_BKHW)

    def _try(self, images_BKHW: Tensor) -> None:
        with _state_restored(self._module, self._device):
            cause = self._cause_of_failure(images_BKHW)
            if cause is None:
                return
            _forward_and_backward(self._module, images_BKHW)
        self.works = False
        self._on_failure(CompileFailure(socket.gethostname(), cause, SWITCH_OFF, of_network=True))

    def _cause_of_failure(self, images_BKHW: Tensor) -> str | None:
        try:
            _forward_and_backward(self._compiled, images_BKHW)
        except Exception as error:
            if not may_be_compile_error(error):
                raise unwrapped(error) from error
            if self._workers.size == 1:
                return cause_of(error)
            if not is_compile_error(error):
                raise
            # The other workers may have compiled the network and wait for this one, so they cannot agree on a fallback.
            raise TrainingError(
                f"torch.compile failed on {socket.gethostname()}: {cause_of(error)}",
                remedy="set resources.compile: false, and run the sweep again",
            ) from error
        return None


def _forward_and_backward(forward: Callable[[Tensor], object], images_BKHW: Tensor) -> None:
    output = forward(images_BKHW)
    if isinstance(output, tuple):
        logits_BC, stage_outputs = output
        total = torch.stack([logits_BC.sum(), *(stage.sum().to(logits_BC.dtype) for stage in stage_outputs)]).sum()
    else:
        assert isinstance(output, Tensor)
        total = output.sum()
    with torch.autocast(images_BKHW.device.type, enabled=False):
        total.backward()


@contextmanager
def _state_restored(module: nn.Module, device: torch.device) -> Iterator[None]:
    """On leaving, put buffers and random generators back to what they were, and remove all gradients."""
    buffers = {name: buffer.detach().clone() for name, buffer in module.named_buffers()}
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            with torch.no_grad():
                for name, buffer in module.named_buffers():
                    buffer.copy_(buffers[name])
            for parameter in module.parameters():
                parameter.grad = None


def unwrapped(error: Exception) -> Exception:
    """The error that made dynamo or its backend fail; any other error as it is."""
    inner = getattr(error, "inner_exception", error)
    return inner if isinstance(inner, Exception) else error


def may_be_compile_error(error: Exception) -> bool:
    """Whether compiling may be at fault: not an explained error, and none of the device or its memory.

    Uncompiled training would fail with these, too.
    """
    inner = unwrapped(error)
    return not isinstance(inner, BansweepError | torch.AcceleratorError) and not is_out_of_memory(inner)


def is_compile_error(error: Exception) -> bool:
    """Whether dynamo, inductor, Triton or a C compiler raised the error. Another worker's loss, for example, is not."""
    from torch._dynamo.exc import TorchDynamoException
    from torch._inductor.exc import CppCompileError

    of_triton = type(error).__module__.partition(".")[0] == "triton"
    return of_triton or isinstance(error, TorchDynamoException | CppCompileError | subprocess.CalledProcessError)


def remedy_for(error: Exception) -> str:
    """What the user can do about the error: a sentence without its full stop."""
    return _INSTALL if _c_compiler_failed(error) else SWITCH_OFF


def cause_of(error: Exception) -> str:
    """What went wrong, in one line."""
    inner = unwrapped(error)
    text = str(inner)
    if _NO_COMPILER.search(text):
        # Triton's kernels need a C compiler, inductor's for CPUs a C++ compiler.
        language, variable = ("C", "CC") if "C compiler" in text else ("C++", "CXX")
        named = os.environ.get(variable)
        return f"no {language} compiler was found" + (f" ({variable} is {named})" if named else "")
    if _c_compiler_failed(error) and (found := _COMPILER_ERROR.search(text)) is not None:
        return f"the C compiler failed with {found[0]}"[:_LONGEST_CAUSE]
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return f"{type(inner).__name__}: {first}"[:_LONGEST_CAUSE]


def _c_compiler_failed(error: Exception) -> bool:
    from torch._inductor.exc import CppCompileError

    inner = unwrapped(error)
    return isinstance(inner, CppCompileError | subprocess.CalledProcessError) or bool(_NO_COMPILER.search(str(inner)))
