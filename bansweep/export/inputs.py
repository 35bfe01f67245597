"""The meaning of a network's inputs: normalisation and class names, or the vocabulary. Records do not hold them.

They are read from the prepared data set with the record's fingerprint. The sweep file names its source. Without a sweep
file, the set must be prepared on this machine already, or be one that its kind alone identifies.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bansweep.config.data import DataSpec
from bansweep.config.networks import is_language_model
from bansweep.data import cache
from bansweep.data.descriptions import PreparedImages, read_description, read_vocabulary
from bansweep.data.prepare import prepare
from bansweep.data.prepared import (
    IMAGE_FILES,
    channel_statistics,
    check_prepared_images,
    check_prepared_text,
    map_array,
)
from bansweep.data.sentences import END_OF_SENTENCE
from bansweep.errors import DamagedError, RequestError
from bansweep.graph.generation import DataIdentity
from bansweep.store.records import GenerationRecord

_TRAIN_IMAGES, _TRAIN_COUNTS = IMAGE_FILES[0], IMAGE_FILES[-1]


@dataclass(frozen=True)
class ImageInput:
    """`shape` is (channels, height, width); `mean` and `std` are of a channel's pixels in [0, 1], as in training."""

    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class TextInput:
    """A token is a word's position in `vocabulary`; `end_of_sentence` ends every line, and precedes the first one."""

    vocabulary: tuple[str, ...]
    end_of_sentence: int


def input_of(record: GenerationRecord, data: DataSpec | None = None) -> ImageInput | TextInput:
    """The meaning of a finished generation's inputs; `data` is the `data` section of its sweep file, if known.

    Side effects: may prepare the data set below the cache, and download it as a run would. Raises RequestError where
    the set cannot be found without a sweep file, DataError where it is missing, damaged or changed, DamagedError where
    it contradicts the record.
    """
    identity = record.generation.data
    folder = prepared_folder(identity, data)
    if is_language_model(record.generation.network):
        check_prepared_text(folder, identity.fingerprint)
        vocabulary = read_vocabulary(folder)
        _check_count(record, len(vocabulary), "words")
        return TextInput(vocabulary, vocabulary.index(END_OF_SENTENCE))
    check_prepared_images(folder, identity.fingerprint)
    meta = read_description(folder, PreparedImages)
    _check_count(record, len(meta.classes), "classes")
    trained_on = meta.training_images - identity.validation if identity.limit is None else identity.limit
    # The normalisation depends only on pixels that were trained on.
    mean, std = channel_statistics(map_array(folder / _TRAIN_COUNTS), map_array(folder / _TRAIN_IMAGES)[:trained_on])
    height, width, channels = meta.image_shape
    return ImageInput((channels, height, width), meta.classes, mean, std)


def prepared_folder(identity: DataIdentity, data: DataSpec | None) -> Path:
    """The folder of a prepared data set. Raises RequestError and DataError as `input_of` does."""
    if data is None:
        there = cache.prepared_folder(cache.cache_folder(), identity.fingerprint)
        if there.is_dir():
            return there
        data = _by_name(identity)
    return prepare(data, known_as=identity.fingerprint)


def _by_name(identity: DataIdentity) -> DataSpec:
    """The data set of an identity whose kind alone identifies it. Raises RequestError for any other."""
    try:
        spec: DataSpec = TypeAdapter[DataSpec](DataSpec).validate_python({"kind": identity.kind})
    except ValidationError:
        raise RequestError(
            f"the data set ({identity.kind}, {identity.fingerprint[:16]}) is not prepared on this machine, and its "
            "files may lie anywhere",
            remedy="name the sweep file and the cell instead of the id: it says where they lie "
            "(bansweep export SWEEP ROW/COLUMN --to FOLDER)",
        ) from None
    return spec


def _check_count(record: GenerationRecord, found: int, things: str) -> None:
    if found != record.classes:
        raise DamagedError(
            f"the prepared data set has {found:,} {things}, the record of {record.id} says {record.classes:,}",
            remedy="remove the prepared set below the cache: it is made again from the source",
        )
