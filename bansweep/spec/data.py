"""What a sweep file may say of its data: a name (`cifar10`), or `{kind: ...}` with options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from typing_extensions import TypeIs

from bansweep.spec.model import SpecModel
from bansweep.spec.text_data import TextSpec


class _Subsets(SpecModel):
    """Which part of an image set is used, in number of images; the sets are kept in a fixed, shuffled order."""

    validation: int = Field(default=0, ge=0, description="images taken off the end of the training set")
    limit: int | None = Field(default=None, ge=1, description="training images used, the first ones; all by default")
    test_limit: int | None = Field(default=None, ge=1, description="test images used, the first ones; all by default")


class Digits(_Subsets):
    """scikit-learn's handwritten digits: 1,797 real images of 8x8 grey pixels, 360 of them for testing."""

    kind: Literal["digits"] = "digits"


class Cifar(_Subsets):
    """CIFAR-10 or CIFAR-100, from torchvision's files or from parquet in the hub's layout, below `root`."""

    kind: Literal["cifar10", "cifar100"]
    root: Path | None = None


class ParquetImages(_Subsets):
    """Any image set in the hub's parquet layout: a column of encoded images, one of integer labels."""

    kind: Literal["parquet"] = "parquet"
    train: Path
    test: Path
    image: str = "img"
    label: str = "label"


class ImageFolder(_Subsets):
    """Images in a folder per class: `<root>/train/<class>/*` and `<root>/test/<class>/*`."""

    kind: Literal["folder"] = "folder"
    root: Path


def _from_shorthand(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


ImageDataSpec = Digits | Cifar | ParquetImages | ImageFolder

DataSpec = Annotated[
    Annotated[ImageDataSpec | TextSpec, Field(discriminator="kind")],
    BeforeValidator(_from_shorthand),
]


def is_text(spec: DataSpec) -> TypeIs[TextSpec]:
    """Whether language models learn from this data; what is no text is an ImageDataSpec."""
    return isinstance(spec, TextSpec)


def with_absolute_paths(spec: DataSpec) -> DataSpec:
    """The same data for processes that may run in another folder than the one in which the sweep was started."""
    paths = {name: path.expanduser().absolute() for name, path in spec if isinstance(path, Path)}
    return spec.model_copy(update=paths)
