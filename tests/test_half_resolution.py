"""sweeps/cpu/half_resolution.py: what the CPU sweep of CIFAR-100 learns from."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from bansweep.config.data import Cifar
from bansweep.config.user_code import UserCode, UserObject
from bansweep.data.datasets import ImageSplit, load_images
from bansweep.data.prepare import prepare
from bansweep.user_code import user_function

ROOT = Path(__file__).parents[1]
FILE = ROOT / "sweeps" / "cpu" / "half_resolution.py"
DIGEST = "fed13e7c97f37c3204e3207e971143c8641fb0d5f568ee3d9cd4d605c0ef0d2b"
SHARED = Path(os.environ.get("BANSWEEP_SHARED", ROOT.parent / "shared"))


def function(name: str) -> Callable[..., Any]:
    """A function of the file as a sweep runs it: under the names that modules had when the results were made."""
    code = UserCode(file=FILE.name, name=name, text=FILE.read_text(encoding="utf-8"))
    return user_function(UserObject(code=code))


def test_it_stays_as_it_was_when_results_were_made() -> None:
    # Its text is hashed into the ids under results/: another comment in it would orphan them.
    assert sha256(FILE.read_bytes()).hexdigest() == DIGEST


def test_each_square_becomes_its_mean() -> None:
    rows = [[1, 3, 0, 0], [5, 8, 0, 2], [255, 255, 7, 7], [255, 255, 8, 8]]
    images = np.array(rows, dtype=np.uint8)[None, :, :, None]
    halved = function("halved")(ImageSplit(images, np.zeros(1, dtype=np.int64)))
    # 17 / 4 = 4.25; 2 / 4 = 0.5 and 30 / 4 = 7.5 go to the even neighbour
    assert halved[0, :, :, 0].tolist() == [[4, 0], [255, 8]]
    assert halved.dtype == np.uint8


def test_all_of_cifar100_is_made_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (SHARED / "data" / "cifar100-train.parquet").is_file():
        pytest.skip(f"CIFAR-100 is not in {SHARED / 'data'}; BANSWEEP_SHARED names its parent")
    monkeypatch.setenv("BANSWEEP_DATA", str(SHARED / "data"))
    monkeypatch.setenv("BANSWEEP_CACHE", str(tmp_path))
    made = function("cifar100")()
    assert made["train_images"].shape == (50_000, 16, 16, 3)
    assert made["test_images"].shape == (10_000, 16, 16, 3)
    assert (len(made["classes"]), made["classes"][0]) == (100, "apple")
    assert np.bincount(made["train_labels"]).tolist() == [500] * 100
    spec = Cifar(kind="cifar100")
    whole_BKHW = torch.from_numpy(load_images(spec, prepare(spec)).test.images_NHWC[:200]).permute(0, 3, 1, 2)
    expected_BHWK = avg_pool2d(whole_BKHW.double(), 2).round().permute(0, 2, 3, 1)
    assert torch.equal(torch.from_numpy(made["test_images"][:200]).double(), expected_BHWK)
