"""Loops that are timed in turns, each in a process of its own: none sees another's memory, caches and settings."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import torch
from devices import busy_seconds, wall_seconds


class Seconds(NamedTuple):
    """The duration of a step: by the clock, and by the one that other processes disturb least (`busy_seconds`)."""

    wall: float
    busy: float


Loop = Iterator[Seconds]
"""Takes a few steps whenever it is asked for the next turn, and says what one of them took."""


# Imported once, by the server of which all processes are forks.
SLOW_IMPORTS = ["torch", "torchvision.transforms", "bansweep.training.image_run"]


def timed(steps: int, take_steps: Callable[[], object], device: torch.device) -> Seconds:
    """The mean duration of the `steps` that `take_steps` takes on `device`."""
    wall, busy = wall_seconds(device), busy_seconds(device)
    take_steps()
    return Seconds((wall_seconds(device) - wall) / steps, (busy_seconds(device) - busy) / steps)


class InItsOwnProcess:
    """A loop that `make` yields, in a process that rests between turns. To be closed."""

    def __init__(self, make: Callable[..., Loop], *arguments: Any) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(SLOW_IMPORTS)
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, arguments))
        self._process.start()
        theirs.close()

    def turn(self) -> Seconds:
        self.begin()
        return self.end()

    def begin(self) -> None:
        """Have the process take its turn, beside others that have begun theirs. To be followed by `end`."""
        self._connection.send(True)

    def end(self) -> Seconds:
        """What `turn` gives, once it is taken."""
        try:
            seconds: Seconds = self._connection.recv()
        except EOFError:
            raise SystemExit("a loop's process ended; its error is above") from None
        return seconds

    def close(self) -> None:
        self._connection.close()
        self._process.join()


def _serve(connection: Connection, make: Callable[..., Loop], arguments: tuple[Any, ...]) -> None:
    loop = make(*arguments)
    while True:
        try:
            connection.recv()
        except EOFError:
            return
        connection.send(next(loop))
