"""Every error that bansweep raises on purpose.

::

    BansweepError                 cause, and what to do about it
    ├── RequestError              the request is wrong (exit status 2)
    │   ├── SweepFileError        a sweep file's problems, all of them, by line and key
    │   ├── DataError             a data set is missing, damaged or unsuitable
    │   └── ResourcesError        a generation needs more than the cluster will ever have
    ├── StoreError                the store cannot be read or written
    │   └── DamagedError          a stored file does not match its digest
    ├── TrainingError             a generation could not be trained
    │   ├── DivergedError         its loss became NaN or infinite
    │   └── OutOfMemoryError      a step does not fit into memory
    └── ClusterError              Ray could not be reached, or gave up
        └── NoSuchJobError        the cluster knows no job of this id
"""

from __future__ import annotations

from dataclasses import dataclass

KeyPath = tuple[str | int, ...]
"""A place in a sweep file: keys and list positions from the top."""

Finding = tuple[KeyPath, str]
"""A place in a sweep file, and what is wrong there."""


class BansweepError(Exception):
    """A failure with a cause that a user can act upon.

    `cause` says what happened and names the offending value; `remedy` says what to do next.
    """

    def __init__(self, cause: str, *, remedy: str = "") -> None:
        super().__init__(cause, remedy)
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.cause}\n  {self.remedy}" if self.remedy else self.cause

    def __reduce__(self) -> tuple[object, ...]:
        # Errors travel between Ray's processes: keyword arguments would be lost by default.
        return _rebuild, (type(self), self.__dict__.copy())


def _rebuild(error_type: type[BansweepError], state: dict[str, object]) -> BansweepError:
    error = error_type.__new__(error_type)
    error.__dict__.update(state)
    error.args = (error.cause, error.remedy)
    return error


class RequestError(BansweepError):
    """The request is wrong; nothing was started."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a sweep file. `line` counts from 1; 0 where there is none."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class SweepFileError(RequestError):
    """A sweep file that cannot be accepted, with everything that is wrong with it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class DataError(RequestError):
    """A data set is missing, damaged, or does not suit the sweep."""


class ResourcesError(RequestError):
    """A generation needs more processors or accelerators than the cluster has."""


class StoreError(BansweepError):
    """The store cannot be read or written."""


class DamagedError(StoreError):
    """A stored file does not match the digest that was written with it."""


class TrainingError(BansweepError):
    """A generation could not be trained."""


class DivergedError(TrainingError):
    """The loss stopped being a finite number; `epoch` and `step` count from 1. `code` names the user code of the
    loss, if it is one, as the sweep file does."""

    def __init__(self, epoch: int, step: int, loss: float, code: str | None = None) -> None:
        hint = f"look in {code} for what is not finite, such as the logarithm of 0; or " if code else ""
        super().__init__(
            f"the loss became {loss} in epoch {epoch}, step {step}",
            remedy=f"{hint}lower recipe.learning_rate; --set recipe.learning_rate=... tries another",
        )
        self.epoch = epoch
        self.step = step


class OutOfMemoryError(TrainingError):
    """A step, or data cached for it, does not fit into the memory of a device or machine."""


class ClusterError(BansweepError):
    """Ray could not be started or reached, or gave up."""


class NoSuchJobError(ClusterError):
    """The cluster knows no job of this id: it never had one, or its head was restarted."""
