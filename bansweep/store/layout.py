"""Where everything lies in a store, and the digests that reveal damage.

::

    <root>/
      generations/<id>/         a finished generation: complete, or not there
        generation.json         its record
        weights.safetensors
        history.parquet         a row per epoch
        candidates.parquet      of a searched generation: a row per candidate and epoch
        predictions.parquet     class probabilities of the test split, or log-probabilities of the held-out tokens
      progress/<id>/            what a running generation resumes from: epoch-NNNNNN.progress; `stop` asks it to end;
                                search.json has the progress of a search, attempts.json the number of attempts
      claims/<id>/              the leases on training it: 1.json, 2.json, ...; the highest number counts
      candidates/               a separate store for the candidates of undecided searches
      sweeps/<name>/            reports and log of a sweep, its spending (spent/), its MLflow sync state (tracking.json)

Names that begin with a dot are incomplete or were set aside. An object store cannot rename a folder. There the files
next to generation.json lie in a subfolder that the record names.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from bansweep.errors import StoreError
from bansweep.store.paths import SMALL_BYTES, StorePath

RECORD_FILE = "generation.json"
WEIGHTS_FILE = "weights.safetensors"
HISTORY_FILE = "history.parquet"
PREDICTIONS_FILE = "predictions.parquet"
CANDIDATES_FILE = "candidates.parquet"
STOP_FILE = "stop"
SEARCH_FILE = "search.json"
ATTEMPTS_FILE = "attempts.json"

PUBLISHED_FILES = {
    RECORD_FILE: SMALL_BYTES,
    WEIGHTS_FILE: 64 << 30,
    HISTORY_FILE: 1 << 30,
    CANDIDATES_FILE: 1 << 30,
    PREDICTIONS_FILE: 16 << 30,
}
"""The files that a published generation may have, with their size limits in bytes."""

LARGEST_PROGRESS_BYTES = 256 << 30
"""The size limit of a saved epoch: weights, optimizer state and history."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
_SWEEP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+*_-]{0,79}")


@dataclass(frozen=True)
class Layout:
    """The folders of the store at `root`. Raises StoreError for names that would lead out of it."""

    root: StorePath

    @property
    def generations(self) -> StorePath:
        return self.root / "generations"

    def generation(self, generation_id: str) -> StorePath:
        return self.generations / _checked_id(generation_id)

    def record(self, generation_id: str) -> StorePath:
        """The file whose presence means that the generation is finished."""
        return self.generation(generation_id) / RECORD_FILE

    @property
    def progress_folders(self) -> StorePath:
        return self.root / "progress"

    def progress(self, generation_id: str) -> StorePath:
        return self.progress_folders / _checked_id(generation_id)

    def claims(self, generation_id: str) -> StorePath:
        return self.root / "claims" / _checked_id(generation_id)

    @property
    def candidates(self) -> StorePath:
        return self.root / "candidates"

    def sweep(self, name: str) -> StorePath:
        if not _SWEEP_NAME.fullmatch(name):
            raise StoreError(
                f"{name!r} cannot name a sweep's folder",
                remedy="names are letters, digits and . + * _ -, and begin with a letter or digit",
            )
        return self.root / "sweeps" / name


def _checked_id(generation_id: str) -> str:
    if not _ID.fullmatch(generation_id):
        raise StoreError(
            f"{generation_id!r} is not a generation's id",
            remedy="ids are 16 hexadecimal digits; bansweep plan SWEEP --json lists those of a sweep",
        )
    return generation_id


def sha256(*parts: bytes | memoryview) -> str:
    """The SHA-256 of the parts one after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
