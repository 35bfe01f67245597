"""The identity of a data set, from digests of its source files: planning decodes nothing.

A known set has a pinned fingerprint, the digest of its decoded content (`known_sets.py`), which `prepare` checks. Any
other text is identified by its words, any other image set by the digests of its files. Files are read once, and their
digests remembered (`cache.py`).

Stored ids contain these digests, so a file's digest is the SHA-256 of its bytes. It differs only where an earlier
version read the same bytes wrongly: images that an orientation tag turns, and labels that are matched by class name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple, assert_never

from bansweep.config.base import without_negative_zeros
from bansweep.config.data import (
    Cifar,
    DataSpec,
    Digits,
    ImageFolder,
    ParquetImages,
    PennTreebank,
    TextFiles,
    UserImages,
    WikiText2,
    is_text,
)
from bansweep.data.cache import cache_folder, file_digest, file_digests
from bansweep.data.class_order import NamedClasses, class_order
from bansweep.data.known_sets import KNOWN_SETS, PENN_TREEBANK
from bansweep.data.sentences import TextFacts, text_facts, text_fingerprint
from bansweep.data.source_files import image_folder_files, parquet_files, text_files
from bansweep.data.sources.image_bytes import LARGEST_FILE_BYTES, is_turned
from bansweep.data.splits import TokenCounts, split_ranges, tokens_used
from bansweep.errors import DataError
from bansweep.graph.generation import DataIdentity
from bansweep.regular_file import read_regular


def data_identity(spec: DataSpec, cache: Path | None = None) -> DataIdentity:
    """The identity of what `spec` names, for generation ids: the first of `data_identities`."""
    return data_identities(spec, cache)[0]


def data_identities(spec: DataSpec, cache: Path | None = None) -> tuple[DataIdentity, ...]:
    """The current identity of what `spec` names, then those that earlier versions gave it.

    The current one has no limit without effect. Earlier versions distinguished a `limit` or `test_limit` equal to the
    whole set from none. The size of a set that user code makes is unknown, so its limits are unchanged. `cache`
    (default: `cache_folder()`) holds the digests of files. Raises DataError where files are missing or are not text, or
    where a known set is too small for the subsets that `spec` asks for.
    """
    cache = cache or cache_folder()
    fingerprints = source_fingerprints(spec, cache)
    whole = whole_limits(spec, cache)
    return tuple(
        DataIdentity(
            kind=spec.kind,
            fingerprint=fingerprint,
            # A text's validation split is a file of its own, and so part of its fingerprint.
            validation=0 if is_text(spec) else spec.validation,
            limit=limit,
            test_limit=test_limit,
        )
        for fingerprint in fingerprints
        for limit in _equivalent_limits(spec.limit, whole.limit)
        for test_limit in _equivalent_limits(spec.test_limit, whole.test_limit)
    )


def _equivalent_limits(limit: int | None, whole: int | None) -> tuple[int | None, ...]:
    """All limits that select the same subset as `limit`, the normalised one first."""
    return (None, whole) if whole is not None and limit in (None, whole) else (limit,)


class WholeLimits(NamedTuple):
    """The `limit` and the `test_limit` that select the whole set; None where no such number is known."""

    limit: int | None
    test_limit: int | None


def whole_limits(spec: DataSpec, cache: Path) -> WholeLimits:
    """The limits equal to the size of the set that `spec` names. Raises DataError as `data_identities` does."""
    match spec:
        case Digits() | Cifar():
            known = KNOWN_SETS[spec.kind]
            return WholeLimits(known.training_images - spec.validation, known.test_images)
        case ParquetImages():
            training = _parquet_rows(spec, parquet_files(spec.train), cache)
            return WholeLimits(training - spec.validation, _parquet_rows(spec, parquet_files(spec.test), cache))
        case ImageFolder():
            files = image_folder_files(spec.root)
            return WholeLimits(len(files.train) - spec.validation, len(files.test))
        case UserImages():
            return WholeLimits(None, None)
        case PennTreebank():
            tokens = PENN_TREEBANK.tokens
        case WikiText2() | TextFiles():
            tokens = TokenCounts(*(facts.tokens for facts in _text_file_facts(text_files(spec), cache)))
        case _:
            assert_never(spec)
    # One number limits the validation text and the test text.
    return WholeLimits(tokens.training, tokens.test if tokens.test == tokens.validation else None)


def source_fingerprints(spec: DataSpec, cache: Path) -> tuple[str, ...]:
    """SHA-256 in hexadecimal: of the content for known sets and texts, of the source files for others.

    The first is that of `spec` without negative zeros; if that differs, the one of `spec` as written follows.
    """
    normalised = without_negative_zeros(spec)
    return tuple(
        _checked_fingerprint(one, cache) for one in ((normalised,) if normalised is spec else (normalised, spec))
    )


def _checked_fingerprint(spec: DataSpec, cache: Path) -> str:
    _check_paths(spec)
    try:
        return _source_fingerprint(spec, cache)
    except OSError as error:
        # No permission to enter a folder, or a name that is too long.
        raise DataError(
            f"data: {error.filename or spec.kind} cannot be read: {error.strerror or error}",
            remedy="check the paths in data, such as data.root, and their permissions",
        ) from None


def _check_paths(spec: DataSpec) -> None:
    for key, path in spec:
        try:
            _ = path.expanduser() if isinstance(path, Path) else path
        except RuntimeError:
            raise DataError(
                f"data.{key}: {path} begins with the home folder of nobody", remedy=f"write data.{key} without ~"
            ) from None


def _source_fingerprint(spec: DataSpec, cache: Path) -> str:
    match spec:
        case Digits() | Cifar():
            known = KNOWN_SETS[spec.kind]
            split_ranges(spec, known.training_images, known.test_images)
            return known.fingerprint
        case ParquetImages():
            # Rows are put into canonical order, so neither the files' names nor their order matter.
            content = _parquet_digests(spec, parquet_files(spec.train), parquet_files(spec.test), cache)
            return _digest({"kind": spec.kind, "image": spec.image, "label": spec.label, **content})
        case ImageFolder():
            return _digest({"kind": spec.kind, "files": _folder_content(spec.root.expanduser(), cache)})
        case UserImages():
            code = {"text": spec.code.text, "name": spec.code.name, "arguments": dict(spec.arguments)}
            return _digest({"kind": spec.kind, **code})
        case PennTreebank():
            tokens_used(spec, PENN_TREEBANK.tokens)
            return PENN_TREEBANK.fingerprint
        case WikiText2() | TextFiles():
            return text_fingerprint([facts.digest for facts in _text_file_facts(text_files(spec), cache)])
        case _:
            assert_never(spec)


def _folder_content(root: Path, cache: Path) -> dict[str, str]:
    files = image_folder_files(root)
    digests = file_digests([file.path for file in (*files.train, *files.test)], cache, _image_digest)
    base = root.absolute()
    return {path.relative_to(base).as_posix(): digest for path, digest in digests.items()}


def _digest(content: dict[str, object]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _parquet_digests(
    spec: ParquetImages, train: tuple[Path, ...], test: tuple[Path, ...], cache: Path
) -> dict[str, list[str]]:
    """The digests of the files of each split, and the classes where files number them differently.

    If all files number the classes alike, a digest is that of the file. Otherwise it is one of class names and encoded
    images, row by row, and does not depend on how a file orders its class names. Raises DataError where a file cannot
    be read, or where two files name different classes.
    """
    splits = {"train": train, "test": test}
    facts = {name: _parquet_facts(spec, files, cache) for name, files in splits.items()}
    read = facts["train"] | facts["test"]
    order = class_order([NamedClasses(path, tuple(read[path.absolute()].classes)) for path in (*train, *test)])
    if order.agreed:
        return {name: sorted(one.digest for one in of_split.values()) for name, of_split in facts.items()}
    by_name = {name: sorted(_remembered(_named_rows, spec, files, cache).values()) for name, files in splits.items()}
    return {**by_name, "classes": list(order.names)}


def _parquet_rows(spec: ParquetImages, files: tuple[Path, ...], cache: Path) -> int:
    """The number of images in these files. Raises DataError where one cannot be read."""
    return sum(one.rows for one in _parquet_facts(spec, files, cache).values())


def _text_file_facts(files: Iterable[Path], cache: Path) -> list[TextFacts]:
    """The digest and the tokens of each text, remembered in `cache`. Raises DataError where one is no text."""
    texts = list(files)
    remembered = file_digests(texts, cache, lambda path: json.dumps(text_facts(path)), "text_facts")
    return [TextFacts(*json.loads(remembered[path.absolute()])) for path in texts]


class _ParquetFacts(NamedTuple):
    """What identifies one file; `classes` is empty where it does not name them."""

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
    return hashlib.sha256(encoded).hexdigest() + _orientation_suffix(is_turned(encoded))


def _read_parquet_facts(spec: ParquetImages, path: Path) -> str:
    from bansweep.data.sources.parquet import class_names, encoded_images, opened_parquet

    with opened_parquet(path, spec.image, spec.label) as file:
        turned = any(is_turned(encoded) for _, encoded in encoded_images(path, file, spec.image))
        classes = list(class_names(path, file, spec.label))
        rows = int(file.metadata.num_rows)
    return json.dumps(_ParquetFacts(file_digest(path) + _orientation_suffix(turned), classes, rows))


def _named_rows(spec: ParquetImages, path: Path) -> str:
    from bansweep.data.sources.parquet import (
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


def _orientation_suffix(turned: bool) -> str:
    # An earlier version ignored the orientation tag, so stored ids of such images must differ.
    return "-turned" if turned else ""
