"""Errors of the compiler are distinguished from errors of memory, devices and user code."""

from __future__ import annotations

import subprocess

import pytest
import torch
from torch._dynamo.exc import BackendCompilerFailed
from torch._inductor.exc import CppCompileError

from bansweep.errors import TrainingError
from bansweep.training.compilation import cause_of, is_compile_error, may_be_compile_error, remedy_for, unwrapped

NO_MEMORY = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
PEER = RuntimeError("[enforce fail at gloo] Connection closed by peer [127.0.0.1]:3210")
CPP = CppCompileError(["g++", "a.cpp"], "a.cpp:1:10: fatal error: Python.h: No such file or directory\n")
TRITONS_CC = subprocess.CalledProcessError(1, ["/usr/bin/gcc", "main.c"])


def by_dynamo(inner: Exception) -> BackendCompilerFailed:
    def inductor() -> None: ...

    return BackendCompilerFailed(inductor, inner, None)


@pytest.mark.parametrize("wrap", [lambda error: error, by_dynamo], ids=["raised by itself", "wrapped by dynamo"])
@pytest.mark.parametrize(
    "error",
    [NO_MEMORY, torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), TrainingError("mine.py:3: wrong shape")],
)
def test_memory_and_user_code_are_not_the_compilers(error: Exception, wrap: type) -> None:
    assert not may_be_compile_error(wrap(error))
    assert unwrapped(wrap(error)) is error


def test_faults_of_the_gpu_are_not_the_compilers() -> None:
    assert not may_be_compile_error(torch.AcceleratorError("CUDA error: an illegal memory access was encountered"))


def test_another_workers_loss_is_not_the_compilers() -> None:
    assert not is_compile_error(PEER)


@pytest.mark.parametrize("error", [by_dynamo(ValueError("no graph")), CPP, TRITONS_CC])
def test_dynamo_inductor_and_c_compilers_are(error: Exception) -> None:
    assert may_be_compile_error(error)
    assert is_compile_error(error)


@pytest.mark.parametrize(
    ("error", "cause", "installs"),
    [
        (by_dynamo(CPP), "the C compiler failed with fatal error: Python.h: No such file or directory", True),
        (
            RuntimeError("Failed to find C compiler. Please specify via CC"),
            "no C compiler was found (CC is cc-9)",
            True,
        ),
        (by_dynamo(RuntimeError("Compiler: g++ is not found.")), "no C++ compiler was found", True),
        (by_dynamo(TRITONS_CC), "CalledProcessError: Command '['/usr/bin/gcc', 'main.c']' returned non-zero", True),
        (by_dynamo(RuntimeError("error: Triton needs a newer GPU")), "RuntimeError: error: Triton needs", False),
    ],
)
def test_cause_and_remedy(error: Exception, cause: str, installs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "cc-9")
    monkeypatch.delenv("CXX", raising=False)
    assert cause_of(error).startswith(cause)
    assert ("Install gcc" in remedy_for(error)) is installs
    assert "resources.compile: false" in remedy_for(error)
