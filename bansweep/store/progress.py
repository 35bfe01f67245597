"""Progress: what a running generation resumes from, in files of our own that survive crashes and show damage.

A saved epoch is one file, `epoch-000012.progress`, so that nothing can belong to another half of it::

    SHA-256 of all that follows, in hexadecimal, and a newline
    {"epochs_done": 12, "history": [...]}, on one line
    the tensors, in safetensors format

It appears under its name by a rename once it is complete. The last two are kept; one that is damaged is set aside as
`*.damaged`, and the one before it takes its place.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from bansweep.errors import DamagedError, StoreError
from bansweep.plan.events import EpochReport
from bansweep.store import files

_log = logging.getLogger(__name__)
_FILE_NAME = re.compile(r"epoch-(\d{6,})\.progress")
_KEPT = 2
_ATTEMPTS = 5


@dataclass(frozen=True)
class Progress:
    """A running generation after `epochs_done` epochs. `tensors`: weights and optimizer state, as safetensors."""

    epochs_done: int
    tensors: bytes
    history: tuple[EpochReport, ...]


def save_progress(folder: Path, progress: Progress) -> None:
    """Saves an epoch durably and removes all but the last two. Raises StoreError where that cannot be written.

    Side effects: the folder and its files; removes old leftovers of crashed writers.
    """
    path = _path(folder, progress.epochs_done)
    manifest = {"epochs_done": progress.epochs_done, "history": [_plain(report) for report in progress.history]}
    # Python's JSON writes the shortest text that reads back as the same float64, and NaN and Infinity by name.
    line = json.dumps(manifest).encode() + b"\n"
    digest = files.sha256(line, progress.tensors).encode() + b"\n"
    for _ in range(_ATTEMPTS):
        files.make_folder(folder)
        try:
            files.replace(path, digest, line, progress.tensors)
            break
        except FileNotFoundError:  # another process published the generation and cleared its progress meanwhile
            continue
    else:
        raise StoreError(f"cannot write {path}: its folder keeps being removed")
    for epochs_done in _saved_epochs(folder)[:-_KEPT]:
        files.remove(_path(folder, epochs_done))
    files.remove_leftovers(folder, ".epoch-")


def load_progress(folder: Path) -> Progress | None:
    """The newest progress that is undamaged; None where there is none.

    Side effects: renames what is damaged to `*.damaged`, with a warning in the log.
    """
    while saved := _saved_epochs(folder):
        path = _path(folder, saved[-1])
        try:
            return _decode(files.read(path), path)
        except FileNotFoundError:  # another process saved a newer one and removed this one: look again
            continue
        except DamagedError as error:
            going_on = f"epoch {saved[-2]}" if len(saved) > 1 else "the beginning"
            _log.warning("%s; set aside as %s.damaged, going on from %s", error.cause, path.name, going_on)
            files.set_aside(path, f"{path.name}.damaged")
    return None


def epochs_done(folder: Path) -> int:
    """How many epochs the newest progress has done, going by its name; 0 where there is none."""
    return max(_saved_epochs(folder), default=0)


def clear_progress(folder: Path) -> None:
    """Removes all progress, damaged files as well; nothing where there is none."""
    files.remove_folder(folder)
    files.remove_leftovers(folder.parent, files.REMOVED)


def _path(folder: Path, epochs_done: int) -> Path:
    return folder / f"epoch-{epochs_done:06d}.progress"


def _saved_epochs(folder: Path) -> list[int]:
    return sorted(int(match[1]) for name in files.names_in(folder) if (match := _FILE_NAME.fullmatch(name)))


def _plain(report: EpochReport) -> dict[str, object]:
    return {**vars(report), "metrics": {name: float(value) for name, value in report.metrics.items()}}


def _decode(content: bytes, path: Path) -> Progress:
    digest, _, _ = content[:65].partition(b"\n")
    body = memoryview(content)[len(digest) + 1 :]
    if digest != files.sha256(body).encode():
        raise DamagedError(f"{path} is damaged: its content does not match its SHA-256")
    try:
        end = content.index(b"\n", len(digest) + 1)
        manifest = json.loads(content[len(digest) + 1 : end])
        history = tuple(EpochReport(**report) for report in manifest["history"])
        return Progress(manifest["epochs_done"], tensors=content[end + 1 :], history=history)
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"{path} cannot be used: another version of bansweep wrote it ({error})") from error
