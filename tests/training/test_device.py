"""The part of a GPU that a process may use: the arithmetic, and what PyTorch is asked to do with it."""

from __future__ import annotations

import pickle
import weakref
from types import SimpleNamespace

import pytest
import torch

from bansweep.errors import ClusterError, OutOfMemoryError, ResourcesError
from bansweep.training.device import limit_memory, memory_fraction, release_device_memory, training_device
from bansweep.training.memory import explain_out_of_memory

H100_BYTES = 80_000_000_000
GPU = torch.device("cuda", 0)


def test_without_gpus_it_is_the_cpu() -> None:
    assert training_device(gpus=0) == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine's GPU works")
@pytest.mark.parametrize("gpus", [1.0, 0.25])
def test_a_gpu_that_cannot_be_used_is_an_error_and_never_the_cpu(gpus: float) -> None:
    with pytest.raises(ClusterError) as caught:
        training_device(gpus=gpus)
    assert len(str(caught.value).splitlines()) == 2
    assert f"torch {torch.__version__}" in caught.value.cause
    # It travels from a worker to the trial.
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_each_part_leaves_a_gigabyte_for_cudas_context() -> None:
    # A quarter of 80 GB is 20 GB, of which PyTorch may allocate 19 GB.
    assert memory_fraction(0.25, H100_BYTES, "H100") * H100_BYTES == pytest.approx(19e9)
    assert memory_fraction(0.5, H100_BYTES, "H100") * H100_BYTES == pytest.approx(39e9)


@pytest.mark.parametrize("processes", [2, 3, 4, 8, 16])
def test_all_processes_and_their_contexts_fit_on_the_gpu(processes: int) -> None:
    allocated = memory_fraction(1 / processes, H100_BYTES, "H100") * H100_BYTES
    assert processes * (allocated + 1e9) <= H100_BYTES * (1 + 1e-9)


@pytest.mark.parametrize("gpus", [1, 1.0])
def test_a_whole_gpu_is_not_limited(gpus: float) -> None:
    assert memory_fraction(gpus, H100_BYTES, "H100") == 1.0


def test_a_part_in_which_nothing_would_fit_is_refused_with_the_least_that_does() -> None:
    with pytest.raises(ResourcesError) as caught:
        memory_fraction(0.1, 12_000_000_000, "TITAN")
    assert str(caught.value) == (
        "resources.gpus_per_worker: 0.1 of TITAN is 1.2 GB, of which CUDA itself takes about 1 GB in each process\n"
        "  raise resources.gpus_per_worker to 0.13 or more"
    )
    assert memory_fraction(0.13, 12_000_000_000, "TITAN") > 0


@pytest.mark.parametrize(("gpus", "fraction"), [(0.25, 19 / 80), (1.0, 1.0)])
def test_pytorchs_allocator_is_limited_on_the_processs_gpu(
    gpus: float, fraction: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[tuple[float, torch.device]] = []
    properties = SimpleNamespace(total_memory=H100_BYTES, name="H100")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *limit: limits.append(limit))
    limit_memory(GPU, gpus=gpus)
    # A whole GPU is set as well: an earlier trial in the process may have had a part.
    assert limits == [(pytest.approx(fraction), GPU)]


def test_a_gpu_whose_memory_others_have_taken_is_out_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def initialise() -> int:
        raise RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported")

    monkeypatch.setattr(torch.cuda, "current_device", initialise)
    with pytest.raises(OutOfMemoryError, match="ran out when CUDA was initialised: CUDA could not allocate"):
        training_device(gpus=0.5)


def test_out_of_memory_on_the_current_gpu_says_whether_the_process_has_a_part_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PyTorch's functions refuse a device without an index."""
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU {index}")
    monkeypatch.setattr(torch.cuda.memory, "_lazy_init", lambda: None)
    monkeypatch.setattr(torch._C, "_cuda_getMemoryFraction", lambda _: 0.5, raising=False)
    with (
        pytest.raises(OutOfMemoryError) as caught,
        explain_out_of_memory(torch.device("cuda"), "when CUDA was initialised"),
    ):
        raise RuntimeError("CUDA error: out of memory")
    assert "the memory of GPU 1 ran out" in str(caught.value)
    assert "raise resources.gpus_per_worker" in caught.value.remedy


def test_cached_memory_goes_back_once_cycles_are_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    class Training:
        itself: Training

    training = Training()
    training.itself = training
    held = weakref.ref(training)
    del training
    held_when_emptied: list[bool] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: held_when_emptied.append(held() is not None))
    release_device_memory()
    assert held_when_emptied == [False]
