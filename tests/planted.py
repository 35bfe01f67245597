"""Planted files and records: what an attacker can put in the place of a file, valid digests included."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def named_pipe(path: Path) -> None:
    os.mkfifo(path)


def link_to_endless_zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def link_to_random_bytes(path: Path) -> None:
    path.symlink_to("/dev/urandom")


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        here = Path.cwd()
        os.chdir(path.parent)  # the path of a socket may have about a hundred bytes
        try:
            bound.bind(path.name)
        finally:
            os.chdir(here)


def folder(path: Path) -> None:
    path.mkdir()


def link_to_nothing(path: Path) -> None:
    path.symlink_to(path.with_name("nothing"))


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def larger_than_any(path: Path) -> None:
    """A file that takes no room on the disk, and more memory than there is."""
    with path.open("wb") as file:
        file.truncate(1 << 40)


NOT_REGULAR: tuple[Callable[[Path], None], ...] = (
    named_pipe,
    link_to_endless_zeros,
    link_to_random_bytes,
    unix_socket,
    folder,
)
IN_PLACE_OF_A_FILE = (*NOT_REGULAR, link_to_nothing, link_to_itself, larger_than_any)


def put(kind: Callable[[Path], None], path: Path) -> None:
    """Put it where a file may be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    kind(path)


def rewritten(file: Path, changes: Mapping[str, Any], *, beneath: str | None = None) -> None:
    """Change fields of a stored record, or of a part of it, and make its own digest hold again."""
    content = json.loads(file.read_text())
    (content if beneath is None else content[beneath]).update(changes)
    content["digests"].pop("generation.json", None)
    # The digest by the format's own words: canonical JSON without the digest itself.
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["digests"]["generation.json"] = hashlib.sha256(canonical.encode()).hexdigest()
    file.write_text(json.dumps(content))
