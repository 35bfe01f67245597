"""The description of a prepared set (`meta.json`) and a text's vocabulary. Planning reads them without NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from bansweep.config.base import SpecModel
from bansweep.data.splits import TokenCounts
from bansweep.errors import DataError
from bansweep.regular_file import read_regular

DESCRIPTION = "meta.json"
VOCABULARY = "vocabulary.json"

_LARGEST_DESCRIPTION_BYTES = 64 << 20
_LARGEST_VOCABULARY_BYTES = 1 << 30

_WORDS = TypeAdapter(tuple[str, ...])


class PreparedFile(SpecModel):
    bytes: int
    sha256: str


class PreparedSet(SpecModel):
    """The part of `meta.json` that all sets share; `files` maps file names to sizes and digests."""

    version: int
    kind: str
    fingerprint: str
    source: str
    files: dict[str, PreparedFile]


class PreparedImages(PreparedSet):
    """`image_shape` is (height, width, channels)."""

    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    training_images: int
    test_images: int


class PreparedText(PreparedSet):
    """`vocabulary_size` counts words, `<eos>` among them."""

    tokens: TokenCounts
    vocabulary_size: int


Description = TypeVar("Description", bound=PreparedSet)


def read_description(folder: Path, description: type[Description]) -> Description:
    """The description of a prepared set. Raises DataError where it is missing or damaged."""
    path = folder / DESCRIPTION
    try:
        return description.model_validate_json(read_regular(path, _LARGEST_DESCRIPTION_BYTES))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", remedy=remedy(folder)) from None
    except ValidationError:
        raise DataError(f"{path} is damaged", remedy=remedy(folder)) from None


def read_vocabulary(folder: Path) -> tuple[str, ...]:
    """The words of a prepared text by number. Raises DataError where the file is missing or damaged."""
    path = folder / VOCABULARY
    try:
        return _WORDS.validate_json(read_regular(path, _LARGEST_VOCABULARY_BYTES))
    except (OSError, ValidationError):
        raise DataError(f"{path} is missing or damaged", remedy=remedy(folder)) from None


def remedy(folder: Path) -> str:
    return f"remove {folder}: it is made again from the source"
