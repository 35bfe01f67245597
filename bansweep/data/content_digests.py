"""Digests and sizes of source files: of the bytes of images, and of what a reader takes from them.

Where the bytes alone tell what is learnt, the digest is that of the bytes, which every stored id has inside. It differs
where an earlier version read the same bytes wrongly: images that a tag turns, and labels that are matched by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bansweep.data.class_order import NamedClasses, class_order
from bansweep.data.file_digests import file_digest, file_digests
from bansweep.data.sentences import TextFacts, text_facts
from bansweep.data.sources.image_bytes import LARGEST_FILE_BYTES, is_turned
from bansweep.errors import DataError
from bansweep.regular_file import read_regular
from bansweep.spec.data import ParquetImages


def image_digests(files: Iterable[Path], cache: Path) -> dict[Path, str]:
    """The digest of each image file, remembered in `cache`. Raises DataError where a file cannot be read."""
    return file_digests(files, cache, _image_digest)


def parquet_digests(
    spec: ParquetImages, train: tuple[Path, ...], test: tuple[Path, ...], cache: Path
) -> dict[str, list[str]]:
    """The digests of the files of each split, and the classes where files number them differently.

    Where all files number the classes alike, a digest is that of the file. Elsewhere it is one of class names and
    encoded images, row by row, which is the same however a file orders its class names. Raises DataError where a file
    cannot be read, or where class names do not go together.
    """
    splits = {"train": train, "test": test}
    facts = {name: _parquet_facts(spec, files, cache) for name, files in splits.items()}
    read = facts["train"] | facts["test"]
    order = class_order([NamedClasses(path, tuple(read[path.absolute()].classes)) for path in (*train, *test)])
    if order.agreed:
        return {name: sorted(one.digest for one in of_split.values()) for name, of_split in facts.items()}
    by_name = {name: sorted(_remembered(_named_rows, spec, files, cache).values()) for name, files in splits.items()}
    return {**by_name, "classes": list(order.names)}


def parquet_rows(spec: ParquetImages, files: tuple[Path, ...], cache: Path) -> int:
    """The number of images in these files. Raises DataError where one cannot be read."""
    return sum(one.rows for one in _parquet_facts(spec, files, cache).values())


def text_file_facts(files: Iterable[Path], cache: Path) -> list[TextFacts]:
    """The digest and the tokens of each text, remembered in `cache`. Raises DataError where one is no text."""
    texts = list(files)
    remembered = file_digests(texts, cache, lambda path: json.dumps(text_facts(path)), "text_facts")
    return [TextFacts(*json.loads(remembered[path.absolute()])) for path in texts]


class _ParquetFacts(NamedTuple):
    """What one file is known by; no `classes` where it has no names for them."""

    digest: str
    classes: list[str]
    rows: int


def _parquet_facts(spec: ParquetImages, files: tuple[Path, ...], cache: Path) -> dict[Path, _ParquetFacts]:
    remembered = _remembered(_read_parquet_facts, spec, files, cache)
    return {path: _ParquetFacts(*json.loads(text)) for path, text in remembered.items()}


def _remembered(
    read: Callable[[ParquetImages, Path], str], spec: ParquetImages, files: tuple[Path, ...], cache: Path
) -> dict[Path, str]:
    name = json.dumps([read.__name__, spec.image, spec.label])
    return file_digests(files, cache, partial(read, spec), name)


def _image_digest(path: Path) -> str:
    try:
        encoded = read_regular(path, LARGEST_FILE_BYTES)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", remedy="check its permissions") from None
    return hashlib.sha256(encoded).hexdigest() + _turned(is_turned(encoded))


def _read_parquet_facts(spec: ParquetImages, path: Path) -> str:
    from bansweep.data.sources.parquet_files import class_names, encoded_images, opened_parquet

    with opened_parquet(path, spec.image, spec.label) as file:
        turned = any(is_turned(encoded) for _, encoded in encoded_images(path, file, spec.image))
        classes = list(class_names(path, file, spec.label))
        rows = int(file.metadata.num_rows)
    return json.dumps(_ParquetFacts(file_digest(path) + _turned(turned), classes, rows))


def _named_rows(spec: ParquetImages, path: Path) -> str:
    from bansweep.data.sources.parquet_files import (
        class_names,
        encoded_images,
        labels,
        opened_parquet,
        require_labels_below,
    )

    digest = hashlib.sha256()
    with opened_parquet(path, spec.image, spec.label) as file:
        classes = class_names(path, file, spec.label)
        labels_N = labels(path, file, spec.label)
        require_labels_below(len(classes), path, labels_N)
        for label, (_, encoded) in zip(labels_N.tolist(), encoded_images(path, file, spec.image), strict=True):
            for part in (classes[label].encode(errors="surrogatepass"), encoded):
                digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _turned(turned: bool) -> str:
    # An earlier version showed such images to networks as they are stored.
    return "-turned" if turned else ""
