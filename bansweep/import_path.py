"""Which folders Python imports from: never the working directory, whose files are no part of a generation's id.

A `torch.py` that happens to lie there would replace PyTorch, and a module that user code imports from there could
change without changing any id. This module imports only what Python itself has imported by then.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import cache


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


def is_installed(name: str) -> bool:
    """Whether a top-level module is one that every process of this Python would import, or one that does not exist.

    It is not if it lies in a folder that only this process has on `sys.path`: that of the script that runs, the working
    directory of a notebook, or one that the program has added. Also of a module that is imported already.
    """
    from importlib.util import find_spec

    if name == "__main__":
        return False
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):  # of a module that was made without a file
        return True
    if spec is None:
        return True
    places = spec.submodule_search_locations or ([spec.origin] if spec.has_location and spec.origin else [])
    return not any(os.path.dirname(os.path.abspath(place)) in _folders_of_this_process() for place in places)  # noqa: PTH100, PTH120


def _folders_of_this_process() -> set[str]:
    """What `sys.path` has beyond the installation, without folders that a package adds of its own."""
    folders = {os.path.abspath(entry) for entry in sys.path} - _installation()  # noqa: PTH100
    return {folder for folder in folders if not folder.startswith(_packages())}


@cache
def _installation() -> frozenset[str]:
    """The folders that a new process of this Python imports from; all that this one has where none can be started."""
    import json
    import subprocess

    environment = {**os.environ, "PYTHONPATH": absolute_entries(os.environ.get("PYTHONPATH", ""))}
    try:
        command = [sys.executable, "-P", "-c", "import json, sys; print(json.dumps(sys.path))"]
        shown = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
        return frozenset(map(os.path.abspath, json.loads(shown)))
    except (OSError, ValueError, subprocess.SubprocessError):
        return frozenset(map(os.path.abspath, sys.path))


@cache
def _packages() -> tuple[str, ...]:
    """Where packages are installed, each with a separator at its end."""
    import sysconfig

    return tuple(sysconfig.get_path(name) + os.sep for name in ("purelib", "platlib"))
