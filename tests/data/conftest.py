"""Small data sets on disk, in every layout that is read."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from bansweep.config.data import TextFiles

Pixels = NDArray[np.uint8]


def _encode(image_HWC: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image_HWC.squeeze()).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def encode() -> Callable[[Pixels], bytes]:
    """An image (H, W, 3) or (H, W, 1) as PNG."""
    return _encode


@pytest.fixture
def write_parquet() -> Callable[..., Path]:
    """Writes images and labels as a parquet file in the hub's layout; `rows` replaces single encoded images."""

    def write(
        path: Path,
        images_NHWC: Sequence[Pixels],
        labels_N: Sequence[int | None],
        *,
        image: str = "img",
        label: str = "label",
        rows: dict[int, bytes | None] | None = None,
        struct: bool = True,
        metadata: dict[str, str] | None = None,
    ) -> Path:
        encoded: list[Any] = [_encode(image_HWC) for image_HWC in images_NHWC]
        for row, content in (rows or {}).items():
            encoded[row] = content
        values = [{"bytes": content, "path": None} for content in encoded] if struct else encoded
        image_type = pa.struct([("bytes", pa.binary()), ("path", pa.string())]) if struct else pa.binary()
        schema = pa.schema([(image, image_type), (label, pa.int64())], metadata=metadata)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table([values, list(labels_N)], schema=schema), path)
        return path

    return write


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """Two classes, 3 training images and 1 test image of each, 6x5 RGB."""
    root = tmp_path / "pets"
    generator = np.random.default_rng(0)
    for split, count in (("train", 3), ("test", 1)):
        for name in ("cat", "dog"):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                image_HWC = generator.integers(0, 256, (6, 5, 3), dtype=np.uint8)
                (folder / f"{number}.png").write_bytes(_encode(image_HWC))
    return root


@pytest.fixture
def write_text(tmp_path: Path) -> Callable[..., TextFiles]:
    """Writes a text's three files, from text or bytes."""

    def write(
        train: str | bytes, validation: str | bytes = "a\n", test: str | bytes = "a\n", folder: str = "text"
    ) -> TextFiles:
        paths = {name: tmp_path / folder / f"{name}.txt" for name in ("train", "validation", "test")}
        for path, content in zip(paths.values(), (train, validation, test), strict=True):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return TextFiles(**paths)

    return write


def _shared(name: str) -> Path:
    shared = os.environ.get("BANSWEEP_SHARED")
    folder = (Path(shared) if shared else Path(__file__).parents[2].parent / "shared") / "data"
    if not (folder / name).is_file():
        pytest.skip(f"the real data sets are not in {folder}; BANSWEEP_SHARED names their parent")
    return folder


@pytest.fixture
def shared_data() -> Path:
    """The folder with the real CIFAR sets; skips where it is not there."""
    return _shared("cifar10-train.parquet")


@pytest.fixture
def shared_ptb() -> Path:
    """The folder whose subfolder `ptb` has the real Penn Treebank; skips where it is not there."""
    return _shared("ptb/ptb.train.txt")
