"""The folder of what can be made again: downloads, prepared arrays, remembered digests of files."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "BANSWEEP_CACHE"
DATA_VARIABLE = "BANSWEEP_DATA"


def cache_folder() -> Path:
    """$BANSWEEP_CACHE, by default ~/.cache/bansweep. It need not exist yet."""
    return Path(os.environ.get(CACHE_VARIABLE) or "~/.cache/bansweep").expanduser()


def downloads_folder(cache: Path) -> Path:
    """Where downloaded data sets are kept, and looked for when nothing says where else."""
    return cache / "downloads"


def data_folder() -> Path | None:
    """$BANSWEEP_DATA, a folder with the user's data sets; None where it is not set."""
    folder = os.environ.get(DATA_VARIABLE)
    return Path(folder).expanduser() if folder else None
