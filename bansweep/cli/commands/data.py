"""`bansweep data`: fetch or import a data set once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from bansweep.cli.options import AsJson
from bansweep.config.base import SpecModel
from bansweep.config.data import Cifar, DataSpec, ImageDataSpec, PennTreebank, TextSpec, is_text
from bansweep.errors import RequestError


class _Request(SpecModel):
    data: DataSpec


def data(
    name: Annotated[str, typer.Argument(metavar="NAME", help="digits, cifar10, cifar100, ptb or wikitext-2.")],
    root: Annotated[
        Path | None, typer.Option(help="Where the set's own files lie, if you have them.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """bansweep data cifar10 --root ~/datasets: decode a data set once, check it, and say where it is.

    Example: bansweep data ptb --root ~/texts
    """
    fields = {"kind": name} if root is None else {"kind": name, "root": root.absolute()}
    try:
        spec = _Request.model_validate({"data": fields}).data
    except ValidationError as error:
        raise RequestError(f"bansweep data {name}: {'; '.join(line['msg'] for line in error.errors())}") from None
    from bansweep.data.prepare import prepare

    _require_at_root(spec)
    folder = prepare(spec, verify=True)
    facts, summary = _text_facts(spec, folder) if is_text(spec) else _image_facts(spec, folder)
    if as_json:
        typer.echo(json.dumps({"name": name, "folder": str(folder), **facts}))
    else:
        typer.echo(f"{name}: {summary}; checked, decoded in {folder}")


def _require_at_root(spec: DataSpec) -> None:
    """Checks the named root: without that, prepared data would be found without a look at it."""
    if isinstance(spec, Cifar) and spec.root is not None:
        from bansweep.data.sources.cifar import require_at_root

        require_at_root(spec)
    if isinstance(spec, PennTreebank):
        from bansweep.data.sources.text import require_ptb_at_root

        require_ptb_at_root(spec)


def _image_facts(spec: ImageDataSpec, folder: Path) -> tuple[dict[str, object], str]:
    from bansweep.data.datasets import load_images

    images = load_images(spec, folder)
    channels, height, width = images.input_shape
    train, test, classes = len(images.train), len(images.test), len(images.classes)
    return (
        {"train": train, "test": test, "classes": classes, "shape": [channels, height, width]},
        f"{train:,} training and {test:,} test images of {height}x{width} pixels, {channels} channels, "
        f"{classes} classes",
    )


def _text_facts(spec: TextSpec, folder: Path) -> tuple[dict[str, object], str]:
    from bansweep.data.datasets import load_text

    text = load_text(spec, folder)
    train, validation, test = len(text.train_N), len(text.validation_N), len(text.test_N)
    words = len(text.vocabulary)
    return (
        {"train": train, "validation": validation, "test": test, "vocabulary": words},
        f"{train:,} training, {validation:,} validation and {test:,} test tokens, a vocabulary of {words:,}",
    )
