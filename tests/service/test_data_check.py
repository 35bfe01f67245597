"""What is said of the data before anything is trained."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from demo_sweep import SWEEP
from PIL import Image

from bansweep.errors import DataError
from bansweep.service.display import MessageConsole
from bansweep.service.request import sweep_request
from bansweep.service.running import run_request

LINE = (
    "warning   2 of the 4 test images are also training images with the same label: "
    "test errors are lower than on new images"
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes; one test image of each is a copy of a training image, the other is not."""
    monkeypatch.setenv("BANSWEEP_CACHE", str(tmp_path / "cache"))
    generator = np.random.default_rng(0)
    for split, name, count in (("train", "cat", 4), ("train", "dog", 4), ("test", "cat", 1), ("test", "dog", 1)):
        folder = tmp_path / "pets" / split / name
        folder.mkdir(parents=True)
        for number in range(count):
            Image.fromarray(generator.integers(0, 256, (8, 8), dtype=np.uint8)).save(folder / f"{number}.png")
    for name in ("cat", "dog"):
        copy = tmp_path / "pets" / "test" / name / "copy.bmp"
        Image.open(tmp_path / "pets" / "train" / name / "2.png").save(copy)
    return tmp_path / "pets"


def said(root: Path, tmp_path: Path, *changes: str) -> list[str]:
    """What a run prints before a batch that is too large for the training set ends it."""
    path = tmp_path / "demo.yaml"
    path.write_text(SWEEP)
    overrides = [f"data={{kind: folder, root: '{root}'}}", "recipe.batch_size=64", *changes]
    output = io.StringIO()
    with pytest.raises(DataError, match="batch_size"):
        run_request(sweep_request(path, str(tmp_path / "store"), overrides), MessageConsole(file=output, width=200))
    return [line for line in output.getvalue().splitlines() if "test images" in line]


def test_copied_test_images_are_warned_of_in_one_line_each_time(root: Path, tmp_path: Path) -> None:
    assert said(root, tmp_path) == [LINE]
    # The second time the set is prepared already.
    assert said(root, tmp_path) == [LINE]


def test_without_copies_nothing_is_said(root: Path, tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (root / "test" / name / "copy.bmp").unlink()
    assert said(root, tmp_path) == []
