"""A data spec to its decoded content: images in canonical order or tokens, known to be what the spec says."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import assert_never

from bansweep.data.canonical import content_fingerprint, in_canonical_order
from bansweep.data.decoded import CanonicalImages, DecodedImages, DecodedText
from bansweep.data.known_sets import KNOWN_SETS, WIKITEXT_2_TOKENS
from bansweep.data.source_files import parquet_files
from bansweep.data.text_files import text_files
from bansweep.data.token_counts import TokenCounts
from bansweep.errors import DataError
from bansweep.spec.data import Cifar, Digits, ImageDataSpec, ImageFolder, OwnImages, ParquetImages
from bansweep.spec.text_data import PennTreebank, TextFiles, TextSpec, WikiText2

logger = logging.getLogger(__name__)


def decode_images(spec: ImageDataSpec, cache: Path) -> CanonicalImages:
    """Decode the images that `spec` names: seconds, and the whole set in memory.

    Side effects: may download into `cache`. Raises DataError where the source is missing, damaged, has images of one
    class only, or is not the published set whose name it bears.
    """
    decoded = in_canonical_order(_decode_source(spec, cache))
    if spec.kind in KNOWN_SETS:
        _verify_images(decoded, spec.kind)
    _require_classes(decoded, spec)
    return decoded


def decode_text(spec: TextSpec, cache: Path) -> DecodedText:
    """Read the text that `spec` names: about a second for a million tokens.

    Side effects: may download into `cache`. Raises DataError where a file is missing, is not text, is not the
    published one whose name it bears, or has words that cannot be known.
    """
    from bansweep.data.sources.text import tokenise

    match spec:
        case PennTreebank():
            from bansweep.data.sources.ptb import ptb_files

            return tokenise(ptb_files(spec, cache))
        case WikiText2():
            decoded = tokenise(text_files(spec))
            _compare_with_wikitext_2(decoded)
            return decoded
        case TextFiles():
            return tokenise(text_files(spec))
        case _:
            assert_never(spec)


def _decode_source(spec: ImageDataSpec, cache: Path) -> DecodedImages:
    # The packages that read a source are imported for that source only.
    match spec:
        case Digits():
            from bansweep.data.sources.digits import decode_digits

            return decode_digits()
        case Cifar():
            from bansweep.data.sources.cifar import decode_cifar

            return decode_cifar(spec, cache)
        case ParquetImages():
            from bansweep.data.sources.parquet import decode_parquet

            return decode_parquet(
                parquet_files(spec.train),
                parquet_files(spec.test),
                image_column=spec.image,
                label_column=spec.label,
            )
        case ImageFolder():
            from bansweep.data.sources.folder import decode_folder

            return decode_folder(spec.root.expanduser())
        case OwnImages():
            from bansweep.data.sources.own_images import decode_own

            return decode_own(spec)
        case _:
            assert_never(spec)


def _require_classes(decoded: DecodedImages, spec: ImageDataSpec) -> None:
    """Raises DataError where all training images are of one class: every network is right about all of them."""
    first = int(decoded.train_labels_N[0])
    if (decoded.train_labels_N != first).any():
        return
    if isinstance(spec, ParquetImages):
        where = str(spec.train)
        remedy = f"check data.label, which is {spec.label!r}, and that data.train names all files of the training set"
    else:
        where, remedy = decoded.source, "training images of two classes or more are needed"
    raise DataError(
        f"{where}: all {len(decoded.train_labels_N):,} training images are of one class, {decoded.classes[first]!r}",
        remedy=remedy,
    )


def _verify_images(decoded: DecodedImages, kind: str) -> None:
    known = KNOWN_SETS[kind]
    fingerprint = content_fingerprint(decoded)
    if fingerprint == known.fingerprint:
        return
    counts = (len(decoded.train_labels_N), len(decoded.test_labels_N))
    expected = (known.training_images, known.test_images)
    difference = (
        f"it holds {counts[0]:,} training and {counts[1]:,} test images instead of {expected[0]:,} and {expected[1]:,}"
        if counts != expected
        else f"the digest of its images is {fingerprint[:12]}... instead of {known.fingerprint[:12]}..."
    )
    raise DataError(
        f"{decoded.source} is not {known.title}: {difference}",
        remedy="fetch the published files again; a data set of your own goes under data.kind: parquet or folder",
    )


def _compare_with_wikitext_2(decoded: DecodedText) -> None:
    counts = TokenCounts(len(decoded.train_N), len(decoded.validation_N), len(decoded.test_N))
    if counts != WIKITEXT_2_TOKENS:
        logger.warning(
            "%s: %s tokens are not those of WikiText-2 as published, which has %s",
            decoded.source,
            " + ".join(f"{count:,}" for count in counts),
            " + ".join(f"{count:,}" for count in WIKITEXT_2_TOKENS),
        )
