"""Which three files a text consists of. Looks at names only; needs no NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from bansweep.data.cache import data_folder
from bansweep.errors import DataError
from bansweep.spec.text_data import TextFiles, WikiText2


class SplitFiles(NamedTuple):
    """The files of the three splits, in the order in which everything about a text is told."""

    train: Path
    validation: Path
    test: Path


class Layout(NamedTuple):
    """A published set's file names, and the folder that a collection of data sets keeps them in."""

    folder: str
    train: str
    validation: str
    test: str

    @property
    def files(self) -> tuple[str, str, str]:
        return self.train, self.validation, self.test


PTB = Layout("ptb", "ptb.train.txt", "ptb.valid.txt", "ptb.test.txt")
WIKITEXT_2 = Layout("wikitext-2", "wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens")


def files_below(root: Path, layout: Layout) -> SplitFiles | None:
    """The set's files in `root` or its subfolder; None where one of them is missing from both."""
    for folder in (root, root / layout.folder):
        files = SplitFiles(*(folder / name for name in layout.files))
        if all(file.is_file() for file in files):
            return files
    return None


def text_files(spec: WikiText2 | TextFiles) -> SplitFiles:
    """The files that `spec` names. Raises DataError where one is missing, saying where it was looked for."""
    return _named_files(spec) if isinstance(spec, TextFiles) else _wikitext_2_files(spec)


def missing(kind: str, layout: Layout, places: str, attempt: str = "") -> DataError:
    """The error for a published set that is in none of `places`."""
    return DataError(
        f"{kind} is not in {places}{attempt}",
        remedy=f"name the folder that holds {', '.join(layout.files[:2])} and {layout.test}, or has them in "
        f"{layout.folder}/: --set data.root=FOLDER, or BANSWEEP_DATA=FOLDER",
    )


def _named_files(spec: TextFiles) -> SplitFiles:
    files = SplitFiles(spec.train.expanduser(), spec.validation.expanduser(), spec.test.expanduser())
    for split, file in files._asdict().items():
        if not file.is_file():
            problem = "is a folder" if file.is_dir() else "is no regular file" if file.exists() else "does not exist"
            raise DataError(
                f"data.{split}: {file} {problem}",
                remedy="data.train, data.validation and data.test each name a text file: one sentence a line, words "
                "separated by blanks",
            )
    return files


def _wikitext_2_files(spec: WikiText2) -> SplitFiles:
    root = spec.root.expanduser() if spec.root is not None else data_folder()
    files = files_below(root, WIKITEXT_2) if root is not None else None
    if files is not None:
        return files
    where = str(root) if root is not None else "data.root or BANSWEEP_DATA, neither of which is set"
    raise missing(
        spec.kind, WIKITEXT_2, where, "; it is not downloaded: its authors' wikitext-2-v1.zip has the tokenised files"
    )
