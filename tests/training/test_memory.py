from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from bansweep.errors import OutOfMemoryError
from bansweep.training.memory import memory_told

CPU = torch.device("cpu")
# A batch of the whole set, on a network whose first activations take more than the limit.
TRAIN_IN_LITTLE_MEMORY = """
import resource, sys
import numpy as np, torch
from bansweep.data.images import ImageData, ImageSplit
from bansweep.errors import OutOfMemoryError
from bansweep.plan.generation import DataIdentity, Generation
from bansweep.spec.recipes import RECIPES
from bansweep.training.image_run import ImageRun

torch.set_num_threads(1)
split = ImageSplit(np.zeros((4096, 32, 32, 3), dtype=np.uint8), np.zeros(4096, dtype=np.int64))
data = ImageData(split, None, split, ("a", "b"), (0.5,) * 3, (0.5,) * 3)
generation = Generation.model_validate({
    "network": "wrn-28-10", "loss": "labels", "data": DataIdentity(kind="zeros", fingerprint="0"), "precision": "fp32",
    "recipe": {**RECIPES["wide-resnet"], "epochs": 1, "batch_size": 4096}, "seed": 0, "generation_index": 0,
})
run = ImageRun(generation, data)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 500_000_000,) * 2)
try:
    next(run.epochs())
except OutOfMemoryError as error:
    print(error)
    sys.exit(0)
sys.exit("it fitted")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited through Linux's RLIMIT_AS")
def test_a_step_that_does_not_fit_says_so_in_two_lines() -> None:
    ended = subprocess.run([sys.executable, "-c", TRAIN_IN_LITTLE_MEMORY], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    cause, remedy = ended.stdout.splitlines()
    assert "the memory of this machine ran out in epoch 1, with a batch of 4096" in cause
    assert "GB more were asked for" in cause
    assert "resources.recompute" in remedy


def test_what_a_gpu_says_is_kept_without_the_allocators_advice() -> None:
    said = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1.00 GiB free. If reserved but unallocated ..."
    with pytest.raises(OutOfMemoryError) as caught, memory_told(CPU, "in epoch 3"):
        raise torch.OutOfMemoryError(said)
    assert caught.value.cause.endswith(
        "in epoch 3: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1.00 GiB free"
    )


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="a bug"), memory_told(CPU, "in epoch 3"):
        raise RuntimeError("a bug")
