"""Classifies errors that occur while a network is compiled, and gives their cause and remedy in one line."""

from __future__ import annotations

import os
import re
import subprocess

import torch

from bansweep.errors import BansweepError
from bansweep.training.memory import is_out_of_memory

_NO_COMPILER = re.compile(r"No working C\+\+ compiler found|Failed to find C compiler|Compiler: .* is not found")
_COMPILER_ERROR = re.compile(r"\b(?:fatal )?error: [^\n]+")
_INSTALL = "Install gcc, g++ and the headers of C and Python on the nodes, or set resources.compile: false"
SWITCH_OFF = "Set resources.compile: false to skip the attempt"
_LONGEST_CAUSE = 200


def unwrapped(error: Exception) -> Exception:
    """The error that made dynamo or its backend fail; any other error as it is."""
    inner = getattr(error, "inner_exception", error)
    return inner if isinstance(inner, Exception) else error


def may_be_the_compilers(error: Exception) -> bool:
    """Not an error that bansweep has explained already, nor one of the device, which uncompiled training would meet."""
    inner = unwrapped(error)
    return not isinstance(inner, BansweepError | torch.AcceleratorError) and not is_out_of_memory(inner)


def is_the_compilers(error: Exception) -> bool:
    """Whether dynamo, inductor, Triton or a C compiler raised the error. Another worker's loss, for example, is not."""
    from torch._dynamo.exc import TorchDynamoException
    from torch._inductor.exc import CppCompileError

    of_triton = type(error).__module__.partition(".")[0] == "triton"
    return of_triton or isinstance(error, TorchDynamoException | CppCompileError | subprocess.CalledProcessError)


def remedy_for(error: Exception) -> str:
    """A sentence without its full stop."""
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
