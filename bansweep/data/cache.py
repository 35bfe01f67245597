"""The folder of what can be made again: downloads, prepared arrays, remembered digests of files."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "BANSWEEP_CACHE"
DATA_VARIABLE = "BANSWEEP_DATA"

# Part of the path of prepared copies. Raise it when a reader is corrected or the files change, so that no copy of a
# former version is used. Copies of another version are left alone: a process of that version may be using them.
PREPARED_VERSION = 3


def cache_folder() -> Path:
    """$BANSWEEP_CACHE, by default ~/.cache/bansweep. It need not exist yet."""
    return Path(os.environ.get(CACHE_VARIABLE) or "~/.cache/bansweep").expanduser()


def downloads_folder(cache: Path) -> Path:
    """Where downloaded data sets are kept, and looked for when nothing says where else."""
    return cache / "downloads"


def prepared_folder(cache: Path, fingerprint: str) -> Path:
    """Where the prepared copy of the set with this fingerprint lies, whether or not it exists."""
    return cache / "prepared" / f"v{PREPARED_VERSION}" / fingerprint


def data_folder() -> Path | None:
    """$BANSWEEP_DATA, a folder with the user's data sets; None where it is not set."""
    folder = os.environ.get(DATA_VARIABLE)
    return Path(folder).expanduser() if folder else None
