"""Which folders Python imports from: never the working directory, whose files are no part of a generation's id.

A `torch.py` that happens to lie there would replace PyTorch, and a module that user code imports from there could
change without changing any id. This module imports only what Python itself has imported by then.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import cache

# A Python that has not started by then is none: the executable of a process that embeds Python can be another program.
_START_S = 60.0


def leave_working_directory(*, started_as_module: bool) -> None:
    """Take the working directory off this process's `sys.path`: for commands, before they import anything else.

    `python -m` puts it first (`started_as_module`), entries of PYTHONPATH can mean it, and child processes would
    inherit those. Other absolute entries of PYTHONPATH stay: what they name counts as installed.
    """
    if started_as_module and not sys.flags.safe_path:
        del sys.path[0]
    given = os.environ.get("PYTHONPATH")
    if given is None:
        return
    kept = installed_entries(given)
    # Absolute, as Python's own site module has made them.
    dropped = {os.path.abspath(entry) for entry in given.split(os.pathsep)} - set(kept.split(os.pathsep))  # noqa: PTH100
    remove_first(dropped)
    os.environ["PYTHONPATH"] = kept


def installed_entries(path: str) -> str:
    """The value of PYTHONPATH without relative and empty entries, and without the working directory.

    The folder that bansweep itself is imported from stays: a checkout that is used without an installation.
    """
    here = os.path.realpath(os.curdir)
    own_folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    return os.pathsep.join(
        entry
        for entry in path.split(os.pathsep)
        if entry.startswith(os.sep) and (os.path.realpath(entry) != here or os.path.abspath(entry) == own_folder)  # noqa: PTH100
    )


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

    environment = {**os.environ, "PYTHONPATH": installed_entries(os.environ.get("PYTHONPATH", ""))}
    try:
        command = [sys.executable, "-P", "-c", "import json, sys; print(json.dumps(sys.path))"]
        shown = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=_START_S).stdout
        return frozenset(map(os.path.abspath, json.loads(shown)))
    except (OSError, ValueError, subprocess.SubprocessError):
        return frozenset(map(os.path.abspath, sys.path))


@cache
def _packages() -> tuple[str, ...]:
    """Where packages are installed, each with a separator at its end."""
    import sysconfig

    return tuple(sysconfig.get_path(name) + os.sep for name in ("purelib", "platlib"))
