"""Which folders Python imports from: never the working directory, whose files are no part of a generation's id.

A `torch.py` that happens to lie there would replace PyTorch, and a module that user code imports from there could
change without changing any id. This module imports only what Python itself has imported by then.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable


def leave_working_directory(*, started_as_module: bool) -> None:
    """Take the working directory off this process's `sys.path`: for commands, before they import anything else.

    `python -m` puts it first (`started_as_module`), relative entries of PYTHONPATH mean it, and child processes would
    inherit those. Absolute entries of PYTHONPATH stay: what they name counts as installed.
    """
    if started_as_module and not sys.flags.safe_path:
        del sys.path[0]
    given = os.environ.get("PYTHONPATH")
    if given is None:
        return
    absolute = absolute_entries(given)
    for entry in given.split(os.pathsep):
        if not entry.startswith(os.sep):
            folder = os.path.abspath(entry)  # noqa: PTH100  # as Python's own site module resolves it
            if folder not in absolute.split(os.pathsep):
                remove_first([folder])
    os.environ["PYTHONPATH"] = absolute


def absolute_entries(path: str) -> str:
    """The value of PYTHONPATH without its relative and empty entries."""
    return os.pathsep.join(entry for entry in path.split(os.pathsep) if entry.startswith(os.sep))


def remove_first(folders: Iterable[str]) -> None:
    """Remove the first entry of `sys.path` for each of these folders; further ones are an installation's."""
    for folder in folders:
        if folder in sys.path:
            sys.path.remove(folder)
