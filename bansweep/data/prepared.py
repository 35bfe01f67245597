"""A prepared data set on disk: four uncompressed arrays and a description, in a folder named by its fingerprint."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from bansweep.data.file_digests import file_digest
from bansweep.errors import DataError
from bansweep.spec.model import SpecModel

DESCRIPTION = "meta.json"
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
FORMAT_VERSION = 1


class ArrayFile(SpecModel):
    bytes: int
    sha256: str


class PreparedMeta(SpecModel):
    """`meta.json`. `image_shape` is (height, width, channels); `mean` and `std` are those of the channels of all
    training pixels, in [0, 1]; `files` maps file names to sizes and digests.
    """

    version: int
    kind: str
    fingerprint: str
    source: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    training_images: int
    test_images: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    files: dict[str, ArrayFile]


def array_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def read_meta(folder: Path) -> PreparedMeta:
    """The description of a prepared set. Raises DataError where it is missing or damaged."""
    path = folder / DESCRIPTION
    try:
        return PreparedMeta.model_validate_json(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", remedy=_remedy(folder)) from None
    except (ValidationError, UnicodeDecodeError):
        raise DataError(f"{path} is damaged", remedy=_remedy(folder)) from None


def check_prepared(folder: Path, fingerprint: str, *, digests: bool = False) -> None:
    """Raises DataError where something in `folder` is missing, of the wrong size or of another set.

    `digests` compares the arrays' content too, which takes about a second for each gigabyte.
    """
    meta = read_meta(folder)
    if meta.version != FORMAT_VERSION or meta.fingerprint != fingerprint:
        raise DataError(f"{folder / DESCRIPTION} describes another set or version", remedy=_remedy(folder))
    for name in ARRAYS:
        path = array_path(folder, name)
        expected = meta.files.get(path.name)
        if expected is None or not path.is_file() or path.stat().st_size != expected.bytes:
            raise DataError(f"{path} is missing or cut short", remedy=_remedy(folder))
        if digests and file_digest(path) != expected.sha256:
            raise DataError(f"{path} does not match its digest", remedy=_remedy(folder))


def _remedy(folder: Path) -> str:
    return f"remove {folder}: it is made again from the source"
