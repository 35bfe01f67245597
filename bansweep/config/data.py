"""Data sets in a sweep file: a name (`cifar10`), or `{kind: ...}` with options; images and texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import TypeIs

from bansweep.config.base import SpecModel, kind_from_name
from bansweep.config.user_code import KIND, UserObject, call_problem


class _Tokens(SpecModel):
    """How much of a text is used, in tokens: words, and the `<eos>` after each line.

    A window needs a token and the one after it, so two are the minimum. Every text has its own validation split.
    """

    limit: int | None = Field(default=None, ge=2, description="training tokens used, the first ones; all by default")
    test_limit: int | None = Field(
        default=None, ge=2, description="validation and test tokens used, the first ones of each; all by default"
    )


class PennTreebank(_Tokens):
    """The Penn Treebank as Mikolov et al. (2010) preprocessed it: ptb.train.txt, ptb.valid.txt and ptb.test.txt."""

    kind: Literal["ptb"] = "ptb"
    root: Path | None = Field(
        default=None, description="the folder with its files; else `BANSWEEP_DATA`, else they are downloaded"
    )


class WikiText2(_Tokens):
    """WikiText-2 (Merity et al., 2016): wiki.train.tokens, wiki.valid.tokens and wiki.test.tokens."""

    kind: Literal["wikitext-2"] = "wikitext-2"
    root: Path | None = Field(default=None, description="the folder with its files; else `BANSWEEP_DATA`")


class TextFiles(_Tokens):
    """Any text in that form: the three files are named."""

    kind: Literal["text"] = "text"
    train: Path = Field(description="the training text")
    validation: Path = Field(description="the validation text")
    test: Path = Field(description="the test text")


TextSpec = PennTreebank | WikiText2 | TextFiles


class _Subsets(SpecModel):
    """Which part of an image set is used, in number of images; the sets have a fixed, shuffled order."""

    validation: int = Field(default=0, ge=0, description="images taken off the end of the training set")
    limit: int | None = Field(default=None, ge=1, description="training images used, the first ones; all by default")
    test_limit: int | None = Field(default=None, ge=1, description="test images used, the first ones; all by default")


class Digits(_Subsets):
    """scikit-learn's handwritten digits: 1,797 real images of 8x8 grey pixels, 360 of them for testing."""

    kind: Literal["digits"] = "digits"


class Cifar(_Subsets):
    """CIFAR-10 or CIFAR-100, from torchvision's files or from parquet in the hub's layout, below `root`."""

    kind: Literal["cifar10", "cifar100"]
    root: Path | None = Field(
        default=None, description="the folder with its files; else `BANSWEEP_DATA`, else they are downloaded"
    )


class ParquetImages(_Subsets):
    """Any image set in the hub's parquet layout: a column of encoded images, one of integer labels."""

    kind: Literal["parquet"] = "parquet"
    train: Path = Field(description="file, or folder of files, with the training images")
    test: Path = Field(description="the same for the test images")
    image: str = Field(default="img", description="the column of encoded images")
    label: str = Field(default="label", description="the column of integer labels")


class ImageFolder(_Subsets):
    """Images in a folder per class: `<root>/train/<class>/*` and `<root>/test/<class>/*`."""

    kind: Literal["folder"] = "folder"
    root: Path = Field(description="the folder with `train/<class>/*` and `test/<class>/*`, all images of one size")


class UserImages(UserObject, _Subsets):
    """A user function that returns arrays: `train_images` (N, height, width, channels) or (N, height, width) of
    bytes, `train_labels` (N,), `test_images`, `test_labels`, and optionally the names of the `classes`.

    It must return the same each time. What it reads is not part of a generation's id: give its version as an argument.
    """

    kind: Literal["python"] = KIND

    @model_validator(mode="after")
    def _can_be_called(self) -> Self:
        if problem := call_problem(self, ()):
            raise ValueError(problem)
        return self


ImageDataSpec = Digits | Cifar | ParquetImages | ImageFolder | UserImages

DataSpec = Annotated[
    Annotated[ImageDataSpec | TextSpec, Field(discriminator="kind")],
    BeforeValidator(kind_from_name),
]


def is_text(spec: DataSpec) -> TypeIs[TextSpec]:
    """Whether language models learn from this data; otherwise it is an ImageDataSpec."""
    return isinstance(spec, TextSpec)


def with_absolute_paths(spec: DataSpec) -> DataSpec:
    """The same data for processes that may run in another folder than the one in which the sweep was started."""
    paths = {name: path.expanduser().absolute() for name, path in spec if isinstance(path, Path)}
    return spec.model_copy(update=paths)
