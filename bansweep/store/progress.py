"""Progress: what a running generation resumes from, in files that survive crashes and show damage.

A saved epoch is one file, `epoch-000012.progress`, so that all its parts belong together::

    SHA-256 of all that follows, in hexadecimal, and a newline
    {"epochs_done": 12, "history": [...], "compiled_epochs": 12}, on one line
    the tensors, in safetensors format

A rename gives it its name once it is complete. The last two are kept. A damaged one is set aside as `*.damaged`, and
the one before it is used.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass

from bansweep.errors import DamagedError, StoreError
from bansweep.graph.results import EpochReport
from bansweep.store.layout import LARGEST_PROGRESS_BYTES, sha256
from bansweep.store.paths import StorePath

_log = logging.getLogger(__name__)
_FILE_NAME = re.compile(r"epoch-([0-9]{6}|[1-9][0-9]{6,})\.progress")
_KEPT = 2
_ATTEMPTS = 5


@dataclass(frozen=True)
class Progress:
    """A running generation after `epochs_done` epochs. `tensors`: weights and optimizer state, as safetensors.

    `compiled_epochs` of them ran compiled; None in files of former versions, which did not save it.
    """

    epochs_done: int
    tensors: bytes
    history: tuple[EpochReport, ...]
    compiled_epochs: int | None = None


def save_progress(folder: StorePath, progress: Progress) -> None:
    """Saves an epoch durably and removes all but the last two. Raises StoreError where that cannot be written.

    Side effects: the folder and its files; removes old leftovers of crashed writers.
    """
    path = _path(folder, progress.epochs_done)
    manifest = {
        "epochs_done": progress.epochs_done,
        "history": [_plain(report) for report in progress.history],
        "compiled_epochs": progress.compiled_epochs,
    }
    # Python's JSON writes the shortest text that reads back as the same float64, and NaN and Infinity by name.
    line = json.dumps(manifest).encode() + b"\n"
    digest = sha256(line, progress.tensors).encode() + b"\n"
    for _ in range(_ATTEMPTS):
        folder.make_folder()
        try:
            path.replace(digest, line, progress.tensors)
            break
        except FileNotFoundError:  # another process published the generation and cleared its progress meanwhile
            continue
    else:
        raise StoreError(f"cannot write {path}: its folder keeps being removed")
    for epochs_done in _saved_epochs(folder)[:-_KEPT]:
        _path(folder, epochs_done).remove()
    folder.remove_leftovers(".epoch-")


def load_progress(folder: StorePath) -> Progress | None:
    """The newest progress that is undamaged; None where there is none.

    Side effects: renames what is damaged to `*.damaged`, with a warning in the log.
    """
    while saved := _saved_epochs(folder):
        path = _path(folder, saved[-1])
        try:
            return _decode(path.read(at_most=LARGEST_PROGRESS_BYTES), path)
        except FileNotFoundError:  # another process saved a newer one and removed this one: look again
            continue
        except DamagedError as error:
            resume_from = f"epoch {saved[-2]}" if len(saved) > 1 else "the beginning"
            _log.warning("%s; set aside as %s.damaged, going on from %s", error.cause, path.name, resume_from)
            path.set_aside(f"{path.name}.damaged")
    return None


def epochs_done(folder: StorePath) -> int:
    """How many epochs the newest progress has done, going by its name; 0 where there is none."""
    return max(_saved_epochs(folder), default=0)


def clear_progress(folder: StorePath) -> None:
    """Removes all progress, damaged files as well; nothing where there is none."""
    folder.remove_folder()
    folder.parent.remove_leftovers()


def _path(folder: StorePath, epochs_done: int) -> StorePath:
    return folder / _name(epochs_done)


def _name(epochs_done: int) -> str:
    return f"epoch-{epochs_done:06d}.progress"


def _saved_epochs(folder: StorePath) -> list[int]:
    return sorted(int(match[1]) for name in folder.names() if (match := _FILE_NAME.fullmatch(name)))


def _plain(report: EpochReport) -> dict[str, object]:
    figures = {"metrics": report.metrics, "system": report.system}
    plain = {of: {name: float(value) for name, value in those.items()} for of, those in figures.items()}
    return {**vars(report), **plain}


def _decode(content: bytes, path: StorePath) -> Progress:
    digest, _, _ = content[:65].partition(b"\n")
    body = memoryview(content)[len(digest) + 1 :]
    if digest != sha256(body).encode():
        raise DamagedError(f"{path} is damaged: its content does not match its SHA-256")
    try:
        end = content.index(b"\n", len(digest) + 1)
        manifest = json.loads(content[len(digest) + 1 : end])
        if path.name != _name(manifest["epochs_done"]):
            raise ValueError(f"it holds epoch {manifest['epochs_done']!r}")
        history = tuple(EpochReport(**report) for report in manifest["history"])
        compiled_epochs = manifest.get("compiled_epochs")
        if compiled_epochs is not None and not 0 <= compiled_epochs <= manifest["epochs_done"]:
            raise ValueError(f"{compiled_epochs} of {manifest['epochs_done']} epochs compiled")
        return Progress(manifest["epochs_done"], content[end + 1 :], history, compiled_epochs)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError(f"{path} cannot be used: another version of bansweep wrote it ({error})") from error
