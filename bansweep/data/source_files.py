"""Which files a `parquet`, `folder` or `text` data set consists of. Lists names only; needs no NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bansweep.config.data import TextFiles, WikiText2
from bansweep.data.cache import data_folder
from bansweep.errors import DataError

_LAYOUT = "images lie in <root>/train/<class>/ and <root>/test/<class>/, where data.root names <root>"


class SplitFiles(NamedTuple):
    """The files of the three splits, in the order that every description of a text uses."""

    train: Path
    validation: Path
    test: Path


class Layout(NamedTuple):
    """A published set's file names, and the subfolder that holds them in a collection of data sets."""

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


class LabelledFile(NamedTuple):
    path: Path
    label: int


class ImageFolderFiles(NamedTuple):
    """`classes` are the names of the folders below `train`, sorted; labels are positions among them."""

    classes: tuple[str, ...]
    train: tuple[LabelledFile, ...]
    test: tuple[LabelledFile, ...]


def parquet_files(path: Path) -> tuple[Path, ...]:
    """`path` itself, or the parquet files in the folder `path`, sorted by name. Raises DataError without any."""
    path = path.expanduser()
    files = tuple(sorted(path.glob("*.parquet"))) if path.is_dir() else (path,) if path.is_file() else ()
    if not files:
        absent = "is no regular file" if path.exists() else "does not exist"
        problem = "contains no *.parquet file" if path.is_dir() else absent
        raise DataError(
            f"{path} {problem}", remedy="data.train and data.test each name a parquet file, or a folder of them"
        )
    for file in files:
        if not file.is_file():
            raise DataError(f"{file} is not a file", remedy=f"rename it, or remove it from {path}")
    return files


def image_folder_files(root: Path) -> ImageFolderFiles:
    """The files of `<root>/train/<class>/*` and `<root>/test/<class>/*`; names with a leading dot are skipped.

    Raises DataError where a folder is missing, empty or holds what does not belong there, or where there is one class.
    """
    root = root.expanduser()
    class_folders = _class_folders(root / "train")
    classes = tuple(folder.name for folder in class_folders)
    if len(classes) == 1:
        raise DataError(
            f"{root / 'train'} has one class folder, {classes[0]!r}, and a network needs two classes or more to learn",
            remedy=f"the usual cause is that data.root is one level too high or too low: {_LAYOUT}",
        )
    test_folders = _class_folders(root / "test")
    for folder in test_folders:
        if folder.name not in classes:
            raise DataError(
                f"{folder} is a class without training images",
                remedy=f"the classes are the folders in {root / 'train'}: {', '.join(classes[:10])}",
            )
    label_of = {name: label for label, name in enumerate(classes)}
    return ImageFolderFiles(
        classes,
        tuple(LabelledFile(path, label_of[folder.name]) for folder in class_folders for path in _images(folder)),
        tuple(LabelledFile(path, label_of[folder.name]) for folder in test_folders for path in _images(folder)),
    )


def _class_folders(split: Path) -> tuple[Path, ...]:
    if not split.is_dir():
        raise DataError(f"the folder {split} does not exist", remedy=_LAYOUT)
    entries = tuple(_visible(split))
    for entry in entries:
        if not entry.is_dir():
            raise DataError(f"{entry} lies beside the class folders", remedy=f"{_LAYOUT}; remove or move this file")
        if not entry.name.isprintable():
            # Class names are stored as text, and not all bytes that can name a folder are text.
            raise DataError(f"{split} has a class folder {entry.name!r}", remedy="rename it: its name is no plain text")
    if not entries:
        raise DataError(f"the folder {split} has no class folders", remedy=_LAYOUT)
    return entries


def _images(folder: Path) -> Iterator[Path]:
    entries = tuple(_visible(folder))
    if not entries:
        raise DataError(f"the class folder {folder} is empty", remedy="put images into it, or remove it")
    for entry in entries:
        if not entry.is_file():
            raise DataError(f"{entry} is not a file", remedy=f"{_LAYOUT}; deeper folders are not read")
        yield entry


def _visible(folder: Path) -> Iterator[Path]:
    return (entry for entry in sorted(folder.iterdir()) if not entry.name.startswith("."))
