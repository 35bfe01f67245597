"""Runs user code: from the text of a Python file to a function, with errors that point into that file.

Only code that the user's sweep file names is run. Reading a store, a record or a report runs none.
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
from bansweep.former_modules import provide_former_modules
from bansweep.import_path import is_installed

_REMEDY = "fix the file and run the sweep again: its generations get new ids"
REMEDY_FOR_IMPORTS = "put what it imports into the file itself, or install it: files beside it are not imported"


def user_function(user_object: UserObject) -> Callable[..., Any]:
    """The function or class that a sweep file names, with its `arguments` filled in; callers pass the positional ones.

    Raises TrainingError, here and when it is called, if user code raises an exception, with its file and line.
    """
    code = user_object.code
    function = getattr(_module(code), code.name, None)
    if not callable(function):
        raise TrainingError(f"{code.file} has no function or class {code.name!r}", remedy=_REMEDY)

    def call(*positional: Any) -> Any:
        try:
            return function(*positional, **user_object.arguments)
        except Exception as error:
            raise failure(code, error) from error

    return call


def failure(code: UserCode, error: BaseException) -> TrainingError:
    """The error for an exception in user code: its place and its text, in one line."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == _label(code)]
    place = f"{code.file}, line {frames[-1].lineno}, in {frames[-1].name}" if frames else f"{code.file}: {code.name}"
    said = " ".join(str(error).split())
    remedy = REMEDY_FOR_IMPORTS if isinstance(error, ModuleNotFoundError) else _REMEDY
    return TrainingError(f"{place}: {type(error).__name__}{f': {said}' if said else ''}", remedy=remedy)


def wrong_result(code: UserCode, expected: str, got: object) -> TrainingError:
    """The error for user code that returned something else than it should."""
    return TrainingError(f"{code.file}: {code.name} has to return {expected}, not {got}", remedy=_REMEDY)


@lru_cache(maxsize=32)
def _module(code: UserCode) -> ModuleType:
    label = _label(code)
    module = ModuleType(label)
    module.__file__ = code.file
    # No such file exists: tracebacks find its lines in the cache, and its classes are found in the module.
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
    """`import` in user code: it finds only installed modules, in every process and however that was started.

    A module beside the sweep file, or beside the script that calls bansweep, could change without changing any id.
    Modules of bansweep can be imported under the names that they had in earlier versions, too.
    """
    top = name.partition(".")[0]
    if not is_installed(top):
        raise ModuleNotFoundError(f"No module named {top!r}", name=top)
    if top == "bansweep":
        _, _, names, *_ = (*scope_and_level, None, None, ())
        provide_former_modules(name, names or ())
    return builtins.__import__(name, *scope_and_level)


def _label(code: UserCode) -> str:
    """A different module name for each text: a process may train with several versions of one file."""
    return f"own_code_{sha256(code.text.encode()).hexdigest()[:16]}"
