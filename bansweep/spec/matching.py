"""Whether students match their teachers where layers are shared or activations compared."""

from __future__ import annotations

from collections.abc import Iterator

from bansweep.errors import KeyPath
from bansweep.spec.losses import compares_stages
from bansweep.spec.networks import DenseNet, OwnNetwork, StagedNetworkSpec, is_language_model
from bansweep.spec.sweep import Column, SweepSpec


def matching_problems(sweep: SweepSpec) -> Iterator[tuple[KeyPath, str]]:
    """Yield (key path, message) for every student that cannot take its teacher's layers, or answer stage by stage.

    The sweep's references have to hold: every teacher is a column.
    """
    for name, column in sweep.generations.items():
        if column.teacher is None:
            continue
        for row in sweep.networks:
            if row.name in column.skip:
                continue
            student, teacher = column.network_in(row), sweep.generations[column.teacher].network_in(row)
            if is_language_model(student) or is_language_model(teacher):
                continue  # which share and compare nothing
            if isinstance(student, OwnNetwork) or isinstance(teacher, OwnNetwork):
                yield from _of_own(name, column)
                continue
            if column.shared_layers != "none" and _outer_channels(student) != _outer_channels(teacher):
                yield (
                    ("generations", name, "shared_layers"),
                    f"in row {row.name!r} the first and the last layer do not fit: {_outer_text(student)}, its teacher "
                    f"{_outer_text(teacher)}; {_remedy(teacher)}",
                )
            if compares_stages(column.loss) and _stages(student) != _stages(teacher):
                yield (
                    ("generations", name, "loss"),
                    f"in row {row.name!r} activations cannot be compared: the stages of {_stages_text(student)}, those "
                    f"of its teacher {_stages_text(teacher)}; {_remedy(teacher)}",
                )


def _of_own(name: str, column: Column) -> Iterator[tuple[KeyPath, str]]:
    """Of what a network of the user's own is made, nothing is known here."""
    if column.shared_layers != "none":
        yield ("generations", name, "shared_layers"), "networks of your own (kind: python) share no layers; remove it"
    if compares_stages(column.loss):
        yield ("generations", name, "loss"), "networks of your own (kind: python) have no stages to compare; use kd"


def _outer_channels(network: StagedNetworkSpec) -> tuple[int, int]:
    return network.stem_channels, network.stage_channels[-1]


def _outer_text(network: StagedNetworkSpec) -> str:
    first, last = _outer_channels(network)
    return f"{network.name} has {first} channels after the first and {last} before the last"


def _stages(network: StagedNetworkSpec) -> tuple[tuple[int, int], ...]:
    return tuple(zip(network.stage_channels, network.downsampling, strict=True))


def _stages_text(network: StagedNetworkSpec) -> str:
    stages = ", ".join(f"{channels} at 1/{divisor}" for channels, divisor in _stages(network))
    return f"{network.name} give channels and resolution {stages}"


def _remedy(teacher: StagedNetworkSpec) -> str:
    if isinstance(teacher, DenseNet):
        like = f"{{kind: residual-student, block: basic, blocks: 2, ratio: 1, like: {teacher.name}}}"
        return f"what fits is {teacher.name} itself, or a residual student of it: {like}"
    return f"what fits is {teacher.name} itself"
