"""Parquet in the hub's layout: a column of encoded images, one of integer labels.

An image is bytes, or a struct with a field `bytes`. Class names are read from the schema's metadata: `classes` (names
with commas between), or the hub's own description of the label column; without either, classes are numbered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bansweep.data.decoded import DecodedImages, Labels, Pixels
from bansweep.data.sources.encoded import decode_image, require_same_shape, stack_images
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
    classes = train.classes or _numbered_classes(train, train_files)
    for split in (train, test):
        _require_labels_below(len(classes), split)
    return DecodedImages(
        train_images_NHWC=train.images_NHWC,
        train_labels_N=train.labels_N,
        test_images_NHWC=test.images_NHWC,
        test_labels_N=test.labels_N,
        classes=classes,
        source=", ".join(str(file) for file in (*train_files, *test_files)),
    )


@dataclass(frozen=True)
class _Split:
    images_NHWC: Pixels
    labels_N: Labels
    rows_of: tuple[tuple[Path, int], ...]
    classes: tuple[str, ...]

    def place(self, position: int) -> str:
        for path, rows in self.rows_of:
            if position < rows:
                return _place(path, position)
            position -= rows
        raise IndexError(position)


def _read_split(paths: Sequence[Path], image_column: str, label_column: str) -> _Split:
    opened = [(path, _open(path, image_column, label_column)) for path in paths]
    try:
        rows_of = tuple((path, int(file.metadata.num_rows)) for path, file in opened)
        total = sum(rows for _, rows in rows_of)
        if total == 0:
            raise DataError(f"{paths[0]} holds no images", remedy="name a file that has rows")
        labels_N = np.concatenate([_labels(path, file, label_column) for path, file in opened])
        images = (placed for path, file in opened for placed in _images(path, file, image_column))
        images_NHWC = stack_images(images, total)
    finally:
        for _, file in opened:
            file.close()
    return _Split(images_NHWC, labels_N, rows_of, _class_names(opened[0][1].schema_arrow, label_column))


def _open(path: Path, image_column: str, label_column: str) -> pq.ParquetFile:
    try:
        open_regular(path).close()  # Arrow would wait for a named pipe's writer
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} cannot be read as parquet: {_first_line(error)}", remedy="check the file, or fetch it again"
        ) from None
    schema = file.schema_arrow
    try:
        for role, column in (("image", image_column), ("label", label_column)):
            if column not in schema.names:
                raise DataError(
                    f"{path} has no column {column!r}; its columns are {', '.join(schema.names)}",
                    remedy=f"name the column: --set data.{role}=NAME",
                )
        _require_types(path, schema, image_column, label_column)
    except DataError:
        file.close()
        raise
    return file


def _require_types(path: Path, schema: pa.Schema, image_column: str, label_column: str) -> None:
    image_type = schema.field(image_column).type
    content = image_type
    if pa.types.is_struct(image_type) and image_type.get_field_index("bytes") >= 0:
        content = image_type.field("bytes").type
    if not (pa.types.is_binary(content) or pa.types.is_large_binary(content)):
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


def _labels(path: Path, file: pq.ParquetFile, column: str) -> Labels:
    try:
        labels = file.read(columns=[column]).column(column).cast(pa.int64()).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from None
    valid = np.asarray(labels.is_valid())
    if not valid.all():
        raise DataError(f"{_place(path, int(valid.argmin()))}: the label is missing", remedy="remove or label the row")
    return np.asarray(labels, dtype=np.int64)


def _images(path: Path, file: pq.ParquetFile, column: str) -> Iterator[tuple[str, Pixels]]:
    row = 0
    batches = file.iter_batches(BATCH_ROWS, columns=[column])
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from None
        if batch is None:
            return
        for value in batch.column(column).to_pylist():
            encoded = value.get("bytes") if isinstance(value, dict) else value
            if encoded is None:
                raise DataError(f"{_place(path, row)}: the image is missing", remedy="remove the row, or fill it in")
            yield _place(path, row), decode_image(encoded, _place(path, row))
            row += 1


def _class_names(schema: pa.Schema, label_column: str) -> tuple[str, ...]:
    metadata = schema.metadata or {}
    if b"classes" in metadata:
        return tuple(metadata[b"classes"].decode("utf-8", "replace").split(","))
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][label_column]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return ()
    return tuple(str(name) for name in names) if isinstance(names, list) else ()


def _numbered_classes(train: _Split, paths: Sequence[Path]) -> tuple[str, ...]:
    """Without names, the training labels say how many classes there are, if each of them occurs."""
    present = np.unique(train.labels_N)
    missing = np.flatnonzero(present != np.arange(present.size))
    if missing.size:
        raise DataError(
            f"{paths[0]}: the label {int(missing[0])} has no training image, but {int(present[missing[0]])} has",
            remedy="labels count from 0 without gaps, unless the schema's metadata `classes` names the classes",
        )
    return tuple(str(label) for label in present)


def _require_labels_below(classes: int, split: _Split) -> None:
    wrong = np.flatnonzero((split.labels_N < 0) | (split.labels_N >= classes))
    if wrong.size:
        position = int(wrong[0])
        raise DataError(
            f"{split.place(position)}: the label is {int(split.labels_N[position])}",
            remedy=f"labels lie in 0..{classes - 1}, one for each of the {classes} classes",
        )


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} is damaged: {_first_line(error)}", remedy="fetch or write the file again")


def _place(path: Path, row: int) -> str:
    return f"{path}, row {row}"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
