"""Networks in a sweep file: a name (`wrn-28-10`), all parameters, or user code.

Every architecture has `kind` and `name`, and reads its names with `from_name`. Those for images also have
`stem_channels` (after the first convolution), `stage_channels` (after each of three stages; a classifier takes the
last) and `downsampling` (the factor by which an image's resolution is reduced after each stage).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from typing_extensions import TypeIs

from bansweep.config.base import nearest
from bansweep.config.densenet import DenseNet
from bansweep.config.language_networks import CnnLstm, Lstm
from bansweep.config.residual_networks import PreResNet, ResidualStudent, WideResNet
from bansweep.config.user_code import KIND, UserObject, call_problem
from bansweep.errors import DataError

__all__ = [
    "NAME_PATTERNS",
    "CnnLstm",
    "DenseNet",
    "ImageNetworkSpec",
    "LanguageNetworkSpec",
    "Lstm",
    "NetworkSpec",
    "PreResNet",
    "ResidualStudent",
    "StagedNetworkSpec",
    "UserNetwork",
    "WideResNet",
    "check_image_size",
    "is_language_model",
    "network_from_name",
]

StagedNetworkSpec = WideResNet | DenseNet | PreResNet | ResidualStudent
LanguageNetworkSpec = Lstm | CnnLstm

_Architecture = StagedNetworkSpec | LanguageNetworkSpec
_ARCHITECTURES: tuple[type[_Architecture], ...] = (WideResNet, DenseNet, PreResNet, ResidualStudent, Lstm, CnnLstm)

NAME_PATTERNS: tuple[str, ...] = tuple(architecture.name_pattern for architecture in _ARCHITECTURES)

# A misspelt name is compared with these, and with their words before its own numbers.
_EXAMPLES = (
    "wrn-28-10",
    "wrn-28-10-dropout0.3",
    "densenet-90-60",
    "densenet-90-60-depth*2",
    "densenet-90-60-compr*0.5",
    "pre-resnet-1001",
    "ban-wide-resnet-4-0.5",
    "ban-match-wide-resnet-2-1",
    "ban-pre-resnet-14-0.5",
    "lstm",
    "lstm-200-2-dropout0.2",
    "cnn-lstm",
)
_LONGEST_COMPARED = 80

# Two halvings leave 2x2 pixels; below that, 3x3 convolutions would see padding on every side.
SMALLEST_SIDE = 8


class UserNetwork(UserObject):
    """A user function or class: given (channels, height, width) and the number of classes, a `torch.nn.Module`.

    The module takes images (B, channels, height, width) and gives logits (B, classes).
    """

    kind: Literal["python"] = KIND

    @property
    def name(self) -> str:
        return self.code.name

    @model_validator(mode="after")
    def _can_be_called(self) -> Self:
        if problem := call_problem(self, ("input_shape", "classes")):
            raise ValueError(problem)
        return self


ImageNetworkSpec = StagedNetworkSpec | UserNetwork


def _from_shorthand(value: Any) -> Any:
    """A name such as `wrn-28-10`, which says the kind and its keys, or in full."""
    return network_from_name(value) if isinstance(value, str) else value


NetworkSpec = Annotated[
    Annotated[_Architecture | UserNetwork, Field(discriminator="kind")],
    BeforeValidator(_from_shorthand),
]


def is_language_model(network: NetworkSpec) -> TypeIs[LanguageNetworkSpec]:
    """Whether a network reads text; otherwise it is an ImageNetworkSpec."""
    return isinstance(network, LanguageNetworkSpec)


def network_from_name(name: str) -> _Architecture:
    """The network that a name such as `wrn-28-10` or `densenet-90-60` stands for.

    Raises ValueError for a name of no known pattern, and for numbers that no such network can have.
    """
    network = _parsed(name)
    if network is None:
        raise ValueError(
            f"unknown network {name!r}; {_suggestion(name)}names are {', '.join(NAME_PATTERNS)}; "
            "others are written in full: {kind: ...}"
        )
    return network


def _parsed(name: str) -> _Architecture | None:
    try:
        for architecture in _ARCHITECTURES:
            if network := architecture.from_name(name):
                return network
    except ValidationError as error:
        # The file has a name where the fields would be: name the field that is wrong.
        problems = (
            ": ".join([*map(str, line["loc"]), line["msg"].removeprefix("Value error, ")]) for line in error.errors()
        )
        raise ValueError(f"{name}: {', '.join(problems)}") from None
    return None


def _suggestion(name: str) -> str:
    """`did you mean ...? `, if a valid name is similar."""
    if len(name) > _LONGEST_COMPARED:
        return ""
    _, numbers = _words_and_numbers(name)
    spelled = {_words_and_numbers(example)[0] + numbers for example in _EXAMPLES}
    clause = nearest(name.lower(), (candidate for candidate in spelled.union(_EXAMPLES) if _is_valid(candidate)))
    return f"{clause} " if clause.startswith("did you mean") else ""


def _words_and_numbers(name: str) -> tuple[str, str]:
    start = re.search(r"[0-9]|$", name)
    assert start is not None, "the end is always found"
    return name[: start.start()], name[start.start() :]


def _is_valid(name: str) -> bool:
    try:
        return _parsed(name) is not None
    except ValueError:
        return False


def check_image_size(network: StagedNetworkSpec, height: int, width: int) -> None:
    """Raises DataError for images (in pixels) that are smaller than a network takes."""
    if min(height, width) < SMALLEST_SIDE:
        raise DataError(
            f"{network.name} cannot take images of {height}x{width} pixels",
            remedy=f"images need at least {SMALLEST_SIDE}x{SMALLEST_SIDE} pixels: enlarge them in the data set",
        )
