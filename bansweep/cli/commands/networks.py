"""`bansweep networks`: the size of networks and their operation counts, next to the paper's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from bansweep.cli.options import AsJson
from bansweep.config.networks import NetworkSpec, is_language_model, network_from_name
from bansweep.config.paper_networks import PAPER_NETWORKS, PaperNetwork, paper_network
from bansweep.errors import RequestError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from bansweep.networks.image_network import ImageNetwork
    from bansweep.networks.language_model import LanguageModel


_OTHERS_CLASSES = 10
_OTHERS_WORDS = 10_000
_CHANNELS = 3
# Language models are counted with made-up words, of as many different characters as Penn Tree Bank has.
_CHARACTERS = 48
_WORD_LENGTH = 8
# More than any corpus has words or image set classes. Made-up words take real memory, about 1 GB for so many.
_MOST_CLASSES = 1_000_000


@dataclass(frozen=True)
class _Size:
    """A line of the table. Counts are of parameters and of multiply-adds for one image or token, not in millions."""

    name: str
    network: str
    classes: int
    parameters: int
    operations: int
    paper_parameters: int | None
    paper_table: int | None
    parameters_as_paper_counts: int | None
    agreement: str | None
    remark: str


def networks(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME...", help="Networks; without any, those of the paper.", show_default=False),
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=_MOST_CLASSES,
            help="Classes or words; else the paper's for its networks, 10 or 10,000.",
            show_default=False,
        ),
    ] = None,
    image: Annotated[int, typer.Option(min=1, max=4096, help="Height and width of an image in pixels.")] = 32,
    as_json: AsJson = False,
) -> None:
    """bansweep networks wrn-28-10 densenet-90-60: parameters, multiply-adds, and the paper's sizes.

    Example: bansweep networks wrn-16-4 densenet-40-12 --classes 100 --image 64
    """
    sizes = [_size(*request, image) for request in _requests(names, classes)]
    if as_json:
        typer.echo(json.dumps([asdict(size) for size in sizes], indent=2))
        return
    from rich.console import Console

    _print(Console(), sizes, image)


def _requests(
    names: Sequence[str] | None, classes: int | None
) -> list[tuple[str, NetworkSpec, int, PaperNetwork | None]]:
    """What to count: name, network, classes, and the paper's entry that holds for them."""
    if not names:
        return [(one.name, one.spec, classes or one.classes, one) for one in PAPER_NETWORKS]
    requests: list[tuple[str, NetworkSpec, int, PaperNetwork | None]] = []
    problems = []
    for name in names:
        try:
            spec = network_from_name(name)
        except ValueError as error:
            problems.append(str(error))
        else:
            printed = paper_network(spec, classes) or paper_network(spec)
            others = _OTHERS_WORDS if is_language_model(spec) else _OTHERS_CLASSES
            requests.append((name, spec, classes or (printed.classes if printed else others), printed))
    if problems:
        raise RequestError("\n".join(problems))
    return requests


def _size(name: str, spec: NetworkSpec, classes: int, printed: PaperNetwork | None, image: int) -> _Size:
    from bansweep.networks.build import count_parameters
    from bansweep.networks.counting import count_as_printed

    network, operations = _built(spec, classes, image)
    comparable = printed if printed is not None and printed.classes == classes else None
    as_printed = None if comparable is None else count_as_printed(network, comparable.counted)
    remarks = [f"is {spec.name}" if spec.name != name else ""]
    if comparable is not None and as_printed is not None:
        remarks += ["" if comparable.counted == "all" else f"{_short(as_printed)} {comparable.counted}"]
        remarks += [comparable.remark]
    elif printed is not None:
        remarks += [f"the paper's {printed.printed} M is with {printed.classes} classes"]
    return _Size(
        name=name,
        network=spec.name,
        classes=classes,
        parameters=count_parameters(network),
        operations=operations,
        paper_parameters=comparable.printed_parameters if comparable else None,
        paper_table=comparable.table if comparable else None,
        parameters_as_paper_counts=as_printed,
        agreement=comparable.agreement if comparable else None,
        remark="; ".join(filter(None, remarks)),
    )


def _built(spec: NetworkSpec, classes: int, image: int) -> tuple[ImageNetwork | LanguageModel, int]:
    """The network, and its multiply-adds for an image or a token."""
    import torch

    from bansweep.networks.build import build_language_model, build_network
    from bansweep.networks.counting import count_operations, count_operations_of_token

    # Without memory for weights: a short name can mean terabytes.
    if is_language_model(spec):
        with torch.device("meta"):
            model = build_language_model(spec, vocabulary=_vocabulary(classes))
        return model, count_operations_of_token(model)
    shape = (_CHANNELS, image, image)
    with torch.device("meta"):
        network = build_network(spec, input_shape=shape, classes=classes)
    return network, count_operations(network, input_shape=shape)


def _vocabulary(words: int) -> list[str]:
    """Different words of equal length, which together have all the characters."""

    def spelled(number: int) -> str:
        digits = [number // _CHARACTERS**place % _CHARACTERS for place in range(_WORD_LENGTH)]
        return "".join(chr(ord("0") + digit) for digit in digits)

    return [spelled(number) for number in range(words)]


def _short(count: int) -> str:
    """`36.54 M`, `5.24 G`: three or four figures and their unit."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.2f} {unit}"
    return str(count)


def _printed(size: _Size) -> str:
    return "" if size.paper_parameters is None else f"{size.paper_parameters / 1e6:.4g} M"


def _print(console: Console, sizes: Sequence[_Size], image: int) -> None:
    """The table, with remarks in a column if that fits, otherwise below."""
    from rich.console import Console
    from rich.text import Text

    heading = f"parameters; multiply-adds for an image of {image}x{image} pixels, or a word; paper: as printed"
    console.print(Text(heading))
    console.print()
    whole = _table(sizes, remarks=True)
    ruler = Console(width=100_000)  # only measures: its width must not squeeze what it measures
    if ruler.measure(whole).maximum <= console.width:
        console.print(whole)
        return
    console.print(_table(sizes, remarks=False))
    notes = [f"{size.name}, {size.classes} classes: {size.remark}" for size in sizes if size.remark]
    if notes:
        console.print(Text("\n" + "\n".join(notes), style="dim"))


def _table(sizes: Sequence[_Size], *, remarks: bool) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("network", overflow="fold")
    for heading in ("classes", "parameters", "multiply-adds", "paper"):
        table.add_column(heading, justify="right", no_wrap=True)
    if remarks:
        table.add_column("", no_wrap=True)
    for size in sizes:
        figures = (str(size.classes), _short(size.parameters), _short(size.operations), _printed(size))
        table.add_row(*map(Text, (size.name, *figures, *([size.remark] if remarks else []))))
    return table
