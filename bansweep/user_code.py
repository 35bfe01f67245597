"""From the text of a user's Python file to a function that is called, with errors that point into that file.

Only ever called for what a user's own sweep says: to read a store, a record or a report runs nothing.
"""

from __future__ import annotations

import builtins
import linecache
import sys
import traceback
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from types import ModuleType
from typing import Any

from bansweep.config.user_code import UserCode, UserObject
from bansweep.errors import TrainingError
from bansweep.import_path import is_installed

_REMEDY = "fix the file and run the sweep again: its generations get new ids"
REMEDY_FOR_IMPORTS = "put what it imports into the file itself, or install it: files beside it are not imported"


def user_function(own: UserObject) -> Callable[..., Any]:
    """The function or class that `own` names, with its arguments filled in: called with what is positional alone.

    Raises TrainingError, here and when it is called, where the user's code raises an exception, with its file and line.
    """
    function = getattr(_module(own.code), own.code.name, None)
    if not callable(function):
        raise TrainingError(f"{own.code.file} has no function or class {own.code.name!r}", remedy=_REMEDY)

    def call(*positional: Any) -> Any:
        try:
            return function(*positional, **own.arguments)
        except Exception as error:
            raise failure(own.code, error) from error

    return call


def failure(code: UserCode, error: BaseException) -> TrainingError:
    """An exception of the user's code in one line: where it came from, and what it says."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == _label(code)]
    place = f"{code.file}, line {frames[-1].lineno}, in {frames[-1].name}" if frames else f"{code.file}: {code.name}"
    said = " ".join(str(error).split())
    remedy = REMEDY_FOR_IMPORTS if isinstance(error, ModuleNotFoundError) else _REMEDY
    return TrainingError(f"{place}: {type(error).__name__}{f': {said}' if said else ''}", remedy=remedy)


def wrong_result(code: UserCode, expected: str, got: object) -> TrainingError:
    """The error of code that returned something else than it should."""
    return TrainingError(f"{code.file}: {code.name} has to return {expected}, not {got}", remedy=_REMEDY)


@lru_cache(maxsize=32)
def _module(code: UserCode) -> ModuleType:
    label = _label(code)
    module = ModuleType(label)
    module.__file__ = code.file
    # So that tracebacks show its lines, and classes of it can be looked up, though no such file is here.
    linecache.cache[label] = (len(code.text), None, code.text.splitlines(keepends=True), label)
    sys.modules[label] = module
    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _import_installed}
    try:
        exec(compile(code.text, label, "exec"), module.__dict__)
    except SyntaxError as error:
        raise TrainingError(f"{code.file}, line {error.lineno}: {error.msg}", remedy=_REMEDY) from error
    except Exception as error:
        raise failure(code, error) from error
    return module


def _import_installed(name: str, *scope_and_level: Any) -> ModuleType:
    """What `import` does in user code: it finds only what is installed, in every process and however it was started.

    A module beside the sweep file, or beside the script that calls bansweep, could change without changing any id.
    """
    top = name.partition(".")[0]
    if not is_installed(top):
        raise ModuleNotFoundError(f"No module named {top!r}", name=top)
    return builtins.__import__(name, *scope_and_level)


def _label(code: UserCode) -> str:
    """Another name for each text: a process may train with several versions of one file."""
    return f"own_code_{sha256(code.text.encode()).hexdigest()[:16]}"
