"""Parquet files in the Hugging Face hub's layout: columns, class names, labels and encoded images.

An image is bytes, or a struct with a field `bytes`. Class names are read from the schema's metadata: `classes` (names
with commas between), or the hub's own description of the label column.

Each file may list its class names in a different order (`class_order.py`). Without names, classes are numbered.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bansweep.data.class_order import NamedClasses, class_order
from bansweep.data.decoded import DecodedImages, Labels, Pixels
from bansweep.data.sources.image_bytes import is_lfs_pointer
from bansweep.data.sources.image_folder import decode_image, require_same_shape, stack_images
from bansweep.errors import DataError
from bansweep.regular_file import open_regular

BATCH_ROWS = 1024


def decode_parquet(
    train_files: Sequence[Path], test_files: Sequence[Path], *, image_column: str, label_column: str
) -> DecodedImages:
    """All rows of both splits. Raises DataError naming the file, and the row (from 0) where one is at fault."""
    train = _read_split(train_files, image_column, label_column)
    test = _read_split(test_files, image_column, label_column)
    require_same_shape(train.images_NHWC, test.images_NHWC, str(test_files[0]))
    order = class_order([part.classes for part in (*train.parts, *test.parts)])
    classes = order.names or _numbered_classes(train, train_files)
    return DecodedImages(
        train_images_NHWC=train.images_NHWC,
        train_labels_N=_numbered_by(classes, train),
        test_images_NHWC=test.images_NHWC,
        test_labels_N=_numbered_by(classes, test),
        classes=classes,
        source=", ".join(str(file) for file in (*train_files, *test_files)),
    )


@dataclass(frozen=True)
class _Part:
    """What one file of a split holds besides images: its class names, and its labels (rows,) as positions in them."""

    classes: NamedClasses
    labels_N: Labels


@dataclass(frozen=True)
class _Split:
    images_NHWC: Pixels
    parts: tuple[_Part, ...]


def _read_split(paths: Sequence[Path], image_column: str, label_column: str) -> _Split:
    with contextlib.ExitStack() as stack:
        opened = [(path, stack.enter_context(opened_parquet(path, image_column, label_column))) for path in paths]
        parts = tuple(
            _Part(NamedClasses(path, class_names(path, file, label_column)), labels(path, file, label_column))
            for path, file in opened
        )
        total = sum(len(part.labels_N) for part in parts)
        if total == 0:
            raise DataError(f"{paths[0]} holds no images", remedy="name a file that has rows")
        images = (
            (place, decode_image(encoded, place))
            for path, file in opened
            for place, encoded in encoded_images(path, file, image_column)
        )
        return _Split(stack_images(images, total), parts)


def _numbered_by(classes: tuple[str, ...], split: _Split) -> Labels:
    """The split's labels as positions in `classes`, int64 (N,). Raises DataError for a label that is no class."""
    for part in split.parts:
        require_labels_below(len(classes), part.classes.path, part.labels_N)
    return np.concatenate([_renumbered(part, classes) for part in split.parts])


def _renumbered(part: _Part, classes: tuple[str, ...]) -> Labels:
    if part.classes.names in ((), classes):
        return part.labels_N
    positions = np.array([classes.index(name) for name in part.classes.names], dtype=np.int64)
    return positions[part.labels_N]


def _numbered_classes(train: _Split, paths: Sequence[Path]) -> tuple[str, ...]:
    """Without names, the training labels determine the number of classes, if each of them occurs."""
    present = np.unique(np.concatenate([part.labels_N for part in train.parts]))
    missing = np.flatnonzero(present != np.arange(present.size))
    if missing.size:
        raise DataError(
            f"{paths[0]}: the label {int(missing[0])} has no training image, but {int(present[missing[0]])} has",
            remedy="labels count from 0 without gaps, unless the schema's metadata `classes` names the classes",
        )
    return tuple(str(label) for label in present)


@contextlib.contextmanager
def opened_parquet(path: Path, image_column: str, label_column: str) -> Iterator[pq.ParquetFile]:
    """The file, with both columns of a type that can be read. Raises DataError."""
    try:
        open_regular(path).close()  # a named pipe is an error here; Arrow would wait for its writer
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        if is_lfs_pointer(_head(path)):
            raise DataError(
                f"{path} is a Git LFS pointer, not the data", remedy="run `git lfs pull` in its repository"
            ) from None
        raise DataError(
            f"{path} cannot be read as parquet: {_first_line(error)}", remedy="check the file, or fetch it again"
        ) from None
    with file:
        for role, column in (("image", image_column), ("label", label_column)):
            _require_column(path, file.schema_arrow, role, column)
        _require_types(path, file.schema_arrow, image_column, label_column)
        yield file


def class_names(path: Path, file: pq.ParquetFile, label_column: str) -> tuple[str, ...]:
    """The class names by label; none where the schema has none.

    Names are a list, or a mapping from "0", "1", ... as in a data set's card. Raises DataError for any other form: if
    it were ignored, labels of other files could not be matched.
    """
    metadata = file.schema_arrow.metadata or {}
    if b"classes" in metadata:
        return tuple(metadata[b"classes"].decode("utf-8", "replace").split(","))
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][label_column]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return ()
    if names is None:
        return ()
    if isinstance(names, dict) and sorted(names) == sorted(map(str, range(len(names)))):
        names = [names[str(label)] for label in range(len(names))]
    if not isinstance(names, list):
        raise DataError(
            f"{path}: the class names of {label_column!r} in its schema are no list of names",
            remedy="write a list of names, one for each label, or leave the names out in all files",
        )
    return tuple(str(name) for name in names)


def labels(path: Path, file: pq.ParquetFile, column: str) -> Labels:
    """The label of each row, as it is in the file, int64 (N,). Raises DataError."""
    try:
        labels = file.read(columns=[column]).column(column).cast(pa.int64()).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from None
    valid = np.asarray(labels.is_valid())
    if not valid.all():
        raise DataError(
            f"{row_place(path, int(valid.argmin()))}: the label is missing", remedy="remove or label the row"
        )
    return np.asarray(labels, dtype=np.int64)


def require_labels_below(classes: int, path: Path, labels_N: Labels) -> None:
    """Raises DataError for the first row whose label is not in 0..classes-1."""
    wrong = np.flatnonzero((labels_N < 0) | (labels_N >= classes))
    if wrong.size:
        row = int(wrong[0])
        raise DataError(
            f"{row_place(path, row)}: the label is {int(labels_N[row])}",
            remedy=f"labels lie in 0..{classes - 1}, one for each of the {classes} classes",
        )


def encoded_images(path: Path, file: pq.ParquetFile, column: str) -> Iterator[tuple[str, bytes]]:
    """The place (file, row) and the encoded image of each row. Raises DataError."""
    row = 0
    batches = file.iter_batches(BATCH_ROWS, columns=[column])
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from None
        if batch is None:
            return
        values = batch.column(column)
        is_struct = pa.types.is_struct(values.type)
        # Converting whole structs takes several times as long.
        for position, encoded in enumerate((pc.struct_field(values, "bytes") if is_struct else values).to_pylist()):
            if encoded is None:
                raise _missing_image(row_place(path, row), values[position].as_py())
            yield row_place(path, row), encoded
            row += 1


def row_place(path: Path, row: int) -> str:
    """How messages name a row, counted from 0."""
    return f"{path}, row {row}"


def _head(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(64)
    except OSError:
        return b""


def _require_column(path: Path, schema: pa.Schema, role: str, column: str) -> None:
    found = schema.names.count(column)
    if not found:
        raise DataError(
            f"{path} has no column {column!r}; its columns are {', '.join(schema.names)}",
            remedy=f"name the column: --set data.{role}=NAME",
        )
    if found > 1:
        raise DataError(
            f"{path} has {found} columns named {column!r}",
            remedy=f"rename all but one, or name another column: --set data.{role}=NAME",
        )


def _require_types(path: Path, schema: pa.Schema, image_column: str, label_column: str) -> None:
    image_type = schema.field(image_column).type
    content = image_type
    if pa.types.is_struct(image_type) and image_type.get_field_index("bytes") >= 0:
        content = image_type.field("bytes").type
    if not any(is_kind(content) for is_kind in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)):
        raise DataError(
            f"{path}: the column {image_column!r} holds {image_type}, not encoded images",
            remedy="it must hold binary values, or structs with a binary field `bytes`; --set data.image=NAME",
        )
    label_type = schema.field(label_column).type
    if not pa.types.is_integer(label_type):
        raise DataError(
            f"{path}: the column {label_column!r} holds {label_type}, not integers",
            remedy="name the column of integer labels: --set data.label=NAME",
        )


def _missing_image(place: str, value: object) -> DataError:
    if isinstance(value, dict) and value.get("path"):
        return DataError(
            f"{place}: the file holds the path of the image, {value['path']!r}, and not the image",
            remedy="write the images into the Parquet files, or use data.kind: folder",
        )
    return DataError(f"{place}: the image is missing", remedy="remove the row, or fill it in")


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} is damaged: {_first_line(error)}", remedy="fetch or write the file again")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
