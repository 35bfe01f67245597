"""`bansweep data`: fetch or import a data set once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from bansweep.cli.options import AsJson
from bansweep.errors import RequestError
from bansweep.spec.data import Cifar, DataSpec
from bansweep.spec.model import SpecModel


class _Request(SpecModel):
    data: DataSpec


def data(
    name: Annotated[str, typer.Argument(metavar="NAME", help="digits, cifar10 or cifar100.")],
    root: Annotated[
        Path | None, typer.Option(help="Where the set's own files lie, if you have them.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """bansweep data cifar10 --root ~/datasets: decode a data set once, check it, and say where it is."""
    fields = {"kind": name} if root is None else {"kind": name, "root": root.absolute()}
    try:
        spec = _Request.model_validate({"data": fields}).data
    except ValidationError as error:
        raise RequestError(f"bansweep data {name}: {'; '.join(line['msg'] for line in error.errors())}") from None
    from bansweep.data.images import load_images
    from bansweep.data.prepare import prepare

    if isinstance(spec, Cifar) and spec.root is not None:
        from bansweep.data.sources.cifar import require_at_root

        # What is prepared already would be found without a look at the root that was named.
        require_at_root(spec)
    folder = prepare(spec, verify=True)
    images = load_images(spec, folder)
    counts = {"train": len(images.train), "test": len(images.test), "classes": len(images.classes)}
    if as_json:
        typer.echo(json.dumps({"name": name, "folder": str(folder), **counts, "shape": list(images.input_shape)}))
        return
    channels, height, width = images.input_shape
    typer.echo(
        f"{name}: {counts['train']:,} training and {counts['test']:,} test images of {height}x{width} pixels, "
        f"{channels} channels, {counts['classes']} classes; checked, decoded in {folder}"
    )
