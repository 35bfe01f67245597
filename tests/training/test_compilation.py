"""Compiled training: equal bits, any number of shapes in one process, and what happens where compiling fails."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from patience import PROCESS_S
from process_group import in_group

from bansweep.data.datasets import ImageData
from bansweep.errors import TrainingError
from bansweep.graph.events import CompileFailure
from bansweep.graph.generation import Generation
from bansweep.training import compilation
from bansweep.training.compilation import CompiledForward, _compiled_code_folder, _set_environment
from bansweep.training.image_run import ImageRun
from bansweep.training.workers import Workers

Make = Callable[..., Generation]

# Small, because inductor takes seconds for each layer on a CPU.
NETWORKS = """\
import torch
from torch import nn

def linear(input_shape, classes, *, width):
    channels, height, width_px = input_shape
    pixels = channels * height * width_px
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.ReLU(), nn.Linear(width, classes))

def normalised(input_shape, classes):
    channels, height, width = input_shape
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(4 * height * width, classes),
    )

class Wrong(nn.Module):
    def __init__(self, input_shape, classes):
        super().__init__()
        self.linear = nn.Linear(7, classes)

    def forward(self, images):
        return self.linear(images.flatten(1))
"""


def network(name: str, **arguments: int) -> dict[str, Any]:
    return {"kind": "python", "code": {"file": "mine.py", "name": name, "text": NETWORKS}, "arguments": arguments}


@pytest.fixture(scope="module", autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Inductor's cache, empty at first, and the environment as it was."""
    from torch._inductor.utils import fresh_cache

    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("TORCHINDUCTOR_COMPILE_THREADS", raising=False)
        with fresh_cache(dir=str(tmp_path_factory.mktemp("inductor"))):
            yield


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANSWEEP_CACHE", str(tmp_path / "cache"))


def graphs() -> int:
    """How many graphs dynamo has compiled in this process."""
    from torch._dynamo.utils import counters

    return counters["stats"]["unique_graphs"]


def finished(run: ImageRun) -> dict[str, torch.Tensor]:
    for _ in run.epochs():
        pass
    return {name: tensor.clone() for name, tensor in run.network.state_dict().items()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_ten_shapes_in_one_process_are_all_compiled(
    make_generation: Make, digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dynamo alone stops at eight, whatever makes code of its graphs; inductor would take seconds for each."""
    torch_compile = torch.compile

    def without_inductor(function: Callable[..., Any], *, dynamic: bool, **_options: Any) -> Any:
        return torch_compile(function, dynamic=dynamic, backend="aot_eager")

    monkeypatch.setattr(torch, "compile", without_inductor)
    for width in range(1, 11):
        before = graphs()
        run = ImageRun(make_generation(network=network("linear", width=width), epochs=1), digits, compiled=True)
        finished(run)
        assert run.compiled
        assert graphs() - before == 1, f"shape {width}"


def test_a_shape_that_was_compiled_before_comes_from_the_cache(make_generation: Make, digits: ImageData) -> None:
    from torch._dynamo.utils import counters

    results = []
    for _ in range(2):
        run = ImageRun(make_generation(network=network("linear", width=3), epochs=1), digits, compiled=True)
        counters["inductor"].clear()
        results.append(finished(run))
        found = dict(counters["inductor"])
    assert found.get("fxgraph_cache_hit", 0) == 2, "forward and backward"
    assert not found.get("fxgraph_cache_miss")
    assert equal(*results)


def test_compiled_training_repeats_and_resumes_bit_for_bit_with_the_masks_of_eager_dropout(
    make_generation: Make, digits: ImageData
) -> None:
    from torch._inductor.utils import fresh_cache

    generation = make_generation(network=network("normalised"), epochs=3, learning_rate=0.02)
    undisturbed = ImageRun(generation, digits, compiled=True)
    expected = finished(undisturbed)

    interrupted = ImageRun(generation, digits, compiled=True)
    next(interrupted.epochs())
    torch.manual_seed(99)
    with fresh_cache():  # compiled again, not loaded
        resumed = ImageRun(generation, digits, compiled=True)
        resumed.resume(interrupted.snapshot(), list(interrupted.history))
        assert equal(finished(resumed), expected)
    assert undisturbed.compiled
    assert resumed.compiled

    eager = ImageRun(generation, digits)
    finished(eager)
    compiled_losses, eager_losses = (
        [report.metrics["train_loss"] for report in run.history] for run in (undisturbed, eager)
    )
    assert compiled_losses == pytest.approx(eager_losses, abs=1e-5), "other masks change the third digit"


def test_a_network_whose_backward_pass_cannot_be_compiled_trains_uncompiled_to_the_same_bits(
    make_generation: Make, digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then the forward pass has changed running statistics and drawn random numbers."""
    from torch._inductor.graph import GraphLowering
    from torch._inductor.utils import fresh_cache

    compile_to_module = GraphLowering.compile_to_module

    def fail_in_backward(self: GraphLowering) -> Any:
        if self.is_backward:
            raise RuntimeError("no backward pass today")
        return compile_to_module(self)

    generation = make_generation(network=network("normalised"), epochs=1)
    expected = finished(ImageRun(generation, digits))
    monkeypatch.setattr(GraphLowering, "compile_to_module", fail_in_backward)
    failures: list[CompileFailure] = []
    run = ImageRun(generation, digits, compiled=True, on_compile_failure=failures.append)
    with fresh_cache():
        assert equal(finished(run), expected)
    assert not run.compiled
    [failure] = failures
    assert failure.of_network
    assert failure.cause == "RuntimeError: no backward pass today"
    assert failure.remedy == "Set resources.compile: false to skip the attempt"


def test_a_users_mistake_is_not_the_compilers(make_generation: Make, digits: ImageData) -> None:
    failures: list[CompileFailure] = []
    run = ImageRun(make_generation(network=network("Wrong")), digits, compiled=True, on_compile_failure=failures.append)
    with pytest.raises(TrainingError, match=r"mine\.py"):
        finished(run)
    assert failures == []


def _mistake_of_a_user(workers: Workers) -> str:
    def fail(_images: torch.Tensor) -> torch.Tensor:
        raise TrainingError("mine.py:3: wrong shape")

    module = torch.nn.Linear(2, 2)
    module.forward = fail  # type: ignore[method-assign]
    forward = CompiledForward(module, workers, torch.device("cpu"), on_failure=pytest.fail)
    with pytest.raises(TrainingError) as caught:
        forward(torch.ones(1, 2))
    return str(caught.value)


def test_a_users_mistake_is_not_the_compilers_with_several_workers() -> None:
    assert in_group(2, _mistake_of_a_user) == ["mine.py:3: wrong shape"] * 2


def test_what_is_not_compiled_says_so(make_generation: Make, digits: ImageData) -> None:
    before = graphs()
    run = ImageRun(make_generation(epochs=1), digits)
    finished(run)
    assert not run.compiled
    assert graphs() == before


PROBE = """
import os, sys, torch
torch.set_num_threads(1)
from bansweep.training.compilation import compile_failure
from bansweep.training.workers import Workers

failures = [compile_failure(Workers(), torch.device("cpu")) for _ in range(2)]
print(failures[0] if failures[0] is None else (failures[0].cause, failures[0].remedy))
assert failures[0] is failures[1], "tried once"
children = [open(f"/proc/self/task/{thread}/children").read().split() for thread in os.listdir("/proc/self/task")]
print(sum(map(len, children)), "compile workers")
print(os.environ["TORCHINDUCTOR_CACHE_DIR"])
"""


def probe(**environment: str) -> list[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TORCHINDUCTOR", "TRITON"))}
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=PROCESS_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_with_a_compiler_it_works_in_this_process_and_in_the_cache_folder(tmp_path: Path) -> None:
    told = probe()
    [folder] = (tmp_path / "cache").iterdir()
    assert told == ["None", "0 compile workers", str(folder)]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700, "what lies there is executed"


@pytest.mark.parametrize(("missing", "named"), [("CXX", " (CXX is /nowhere)"), ("PATH", "")])
def test_without_a_compiler_the_cause_and_the_remedy_are_known(missing: str, named: str) -> None:
    first, *_ = probe(**{missing: "/nowhere"})
    assert first == str(
        (
            f"no C++ compiler was found{named}",
            "Install gcc, g++ and the headers of C and Python on the nodes, or set resources.compile: false",
        )
    )


def _failure_of_some(workers: Workers) -> str | None:
    if workers.rank == 1:
        from torch._inductor import config

        os.environ["CXX"] = "/nonexistent"
        config.cpp.cxx = (None, os.environ["CXX"])  # inductor reads the variable when it is imported
    failure = compilation.compile_failure(workers, torch.device("cpu"))
    return failure and failure.cause


def test_nodes_with_other_cpus_have_a_cache_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was compiled for newer instructions would end the process on an older CPU."""
    cpus = {
        "one": "processor: 0\nmodel name: A\nflags: avx2\ncpu MHz: 1000\n\nprocessor: 1\nmodel name: A\n",
        "the same at another clock rate": "processor: 0\nmodel name: A\nflags: avx2\ncpu MHz: 900\n\n",
        "another": "processor: 0\nmodel name: A\nflags: avx2 avx512f\ncpu MHz: 1000\n",
    }
    folders = []
    for name, text in cpus.items():
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(compilation, "_CPUINFO", tmp_path / name)
        folders.append(_compiled_code_folder())
    assert None not in folders
    assert folders[0] == folders[1] != folders[2]


@pytest.mark.slow
def test_workers_agree_where_one_of_them_cannot_compile() -> None:
    assert in_group(2, _failure_of_some) == ["no C++ compiler was found (CXX is /nonexistent)"] * 2


@pytest.mark.parametrize("unusable", ["a file", "others may write", "of the user's own"])
def test_a_cache_that_cannot_be_used_is_left_alone(
    unusable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    monkeypatch.delenv("TRITON_CACHE_DIR")
    cache, expected = tmp_path / "cache", None
    if unusable == "a file":
        cache.write_text("not a folder")
    elif unusable == "others may write":
        folder = _compiled_code_folder()
        assert folder is not None
        assert folder.parent == cache
        folder.chmod(0o777)
    else:
        expected = str(tmp_path / "mine")
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", expected)
    _set_environment()
    assert os.environ.get("TORCHINDUCTOR_CACHE_DIR") == expected
    assert os.environ.get("TRITON_CACHE_DIR") == (expected and f"{expected}/triton")
