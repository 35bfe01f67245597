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
from bansweep.import_path import is_installed

_REMEDY = "fix the file and run the sweep again: its generations get new ids"
REMEDY_FOR_IMPORTS = "put what it imports into the file itself, or install it: files beside it are not imported"

# Records hold user code as it was written, and its text is part of ids. So its imports of bansweep's modules must work
# under the modules' former names, too.
_FORMER_MODULES = {
    f"bansweep.{former}": f"bansweep.{module}"
    for module, formers in {
        "config.base": "spec.model spec.signed_zeros",
        "config.chain": "spec.chain spec.chain_columns",
        "config.consistency": "spec.kinds spec.matching spec.references",
        "config.data": "spec.data spec.text_data",
        "config.densenet": "spec.densenet",
        "config.hyperparameters": "spec.distributions spec.hyperparameters",
        "config.language_networks": "spec.language_networks",
        "config.limits": "spec.limits",
        "config.losses": "spec.losses",
        "config.network_names": "spec.network_names",
        "config.networks": "spec.networks spec.own_network",
        "config.paper_networks": "spec.paper_networks",
        "config.reading": "spec.reading",
        "config.recipes": "spec.recipes",
        "config.rehearsal": "spec.rehearsal",
        "config.residual_networks": "spec.residual_networks spec.residual_student",
        "config.resources": "spec.resources",
        "config.search": "spec.search",
        "config.search_problems": "spec.searched_values spec.searching",
        "config.sweep": "spec.budget spec.selection spec.sweep",
        "config.user_code": "spec.own_code",
        "config.yaml_document": "spec.document",
        "data.augmentation": "data.sampling",
        "data.cache": "data.file_digests",
        "data.datasets": "data.images data.suitability data.text",
        "data.decoded": "data.canonical",
        "data.fingerprint": "data.content_digests",
        "data.prepare": "data.builder",
        "data.prepared": "data.channel_statistics data.prepared_images data.prepared_text data.saving",
        "data.source_files": "data.text_files",
        "data.sources.cifar_archive": "data.sources.plain_pickle",
        "data.sources.image_folder": "data.sources.encoded data.sources.folder",
        "data.sources.parquet": "data.sources.parquet_files",
        "data.sources.text": "data.sources.ptb",
        "data.sources.user_images": "data.sources.own_images",
        "data.splits": "data.token_counts",
        "losses.building_blocks": "losses.answer losses.cross_entropy losses.probabilities losses.weighted_mean",
        "losses.user_loss": "losses.own_loss",
        "networks.build": "networks.builder",
        "networks.cnn_lstm": "networks.spelling",
        "networks.counting": "networks.operations networks.paper_counts",
        "networks.image_network": (
            "networks.initialisation networks.own_network networks.recomputation networks.stage networks.staged"
        ),
        "networks.language_model": "networks.lstm",
        "networks.residual_networks": "networks.pre_resnet networks.residual_student networks.wide_resnet",
        "training.kd_gradient": "losses.gradient_parts",
    }.items()
    for former in formers.split()
}


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
    `from` a module of bansweep works under the name that the module had in an earlier version, too.
    """
    top = name.partition(".")[0]
    if not is_installed(top):
        raise ModuleNotFoundError(f"No module named {top!r}", name=top)
    return builtins.__import__(_FORMER_MODULES.get(name, name), *scope_and_level)


def _label(code: UserCode) -> str:
    """A different module name for each text: a process may train with several versions of one file."""
    return f"own_code_{sha256(code.text.encode()).hexdigest()[:16]}"
