"""The store: finished generations, the progress of running ones, and claims on training them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from bansweep.errors import DamagedError, StoreError
from bansweep.graph.generation import Generation
from bansweep.graph.results import EpochReport
from bansweep.store.claims import Claim
from bansweep.store.layout import (
    ATTEMPTS_FILE,
    CANDIDATES_FILE,
    HISTORY_FILE,
    PREDICTIONS_FILE,
    RECORD_FILE,
    SEARCH_FILE,
    STOP_FILE,
    WEIGHTS_FILE,
    Layout,
)
from bansweep.store.local_path import LocalPath
from bansweep.store.location import store_path
from bansweep.store.parquet_tables import (
    Predictions,
    TokenPredictions,
    decode_candidates,
    decode_history,
    decode_predictions,
    encode_candidates,
    encode_history,
    encode_predictions,
)
from bansweep.store.paths import StorePath
from bansweep.store.progress import Progress, clear_progress, epochs_done, load_progress, save_progress
from bansweep.store.publishing import READERS, publish, read_file, read_record, set_aside_damaged
from bansweep.store.records import GenerationRecord

_Decoded = TypeVar("_Decoded")

# Errors of reading a note file that this class did not write; the file is then ignored.
_UNREADABLE_NOTE = (DamagedError, ValueError, OverflowError, RecursionError, AttributeError, KeyError, TypeError)


class Store:
    """The store at `location`, a folder or an object store's URL. The first write creates it.

    Several processes and machines may use one store at once. Every method raises StoreError where the store cannot be
    read or written, and for invalid ids and names.
    """

    def __init__(self, location: str | Path | StorePath) -> None:
        self._root = location if isinstance(location, StorePath) else store_path(location)
        self._layout = Layout(self._root)

    def __repr__(self) -> str:
        return f"Store({self.location!r})"

    @property
    def location(self) -> str:
        """Its absolute folder or its URL: another process finds it by that."""
        return str(self._root)

    @property
    def directory(self) -> Path | None:
        """Its folder; None of an object store."""
        return self._root.path if isinstance(self._root, LocalPath) else None

    @property
    def exists(self) -> bool:
        """Whether anything has been written to it."""
        return self._root.exists()

    @property
    def candidates(self) -> Store:
        """The nested store where candidates of searches are trained. Once a search is decided, its winner is published
        here, and the candidates are removed."""
        return Store(self._layout.candidates)

    # Finished generations

    def finished(self, generation_ids: Iterable[str]) -> frozenset[str]:
        """The finished ones of the generations. One check each; nothing is read."""
        wanted = sorted(set(generation_ids))
        records = map(self._layout.record, wanted)
        return frozenset(one for one, there in zip(wanted, self._looked_at(records), strict=True) if there)

    def ids(self) -> tuple[str, ...]:
        """The ids of all finished generations, sorted. One check each; nothing is read."""
        names = [name for name in self._layout.generations.names() if not name.startswith(".")]
        records = (self._layout.generations / name / RECORD_FILE for name in names)
        return tuple(name for name, there in zip(names, self._looked_at(records), strict=True) if there)

    def present(self) -> frozenset[str]:
        """The ids with any files: finished, in progress or incomplete. Lists two directories."""
        folders = (self._layout.generations, self._layout.progress_folders)
        return frozenset(name for folder in folders for name in folder.names() if not name.startswith("."))

    def _looked_at(self, paths: Iterable[StorePath]) -> list[bool]:
        """Whether each exists. A remote store is asked with several threads."""
        if not self._root.remote:
            return [path.exists() for path in paths]
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(lambda path: path.exists(), paths))

    def set_aside_damaged(self, generations: Mapping[str, Generation]) -> dict[str, str]:
        """Reads the files of the finished ones; in an object store weights only where another of them needs them.

        Damaged generations are moved to `generations/.damaged-<id>-*` and count as unfinished. Returns id -> damage and
        new folder.
        """
        return set_aside_damaged(self._layout, generations, finished=self.finished, claim=self.claim)

    def record(self, generation_id: str) -> GenerationRecord | None:
        """The record of a finished generation; None where it is not finished.

        Raises DamagedError where generation.json is not what was published.
        """
        return read_record(self._layout, generation_id)

    def publish(
        self,
        record: GenerationRecord,
        *,
        weights: bytes,
        history: Sequence[EpochReport],
        predictions: Predictions | TokenPredictions,
        candidates: Mapping[int, Sequence[EpochReport]] | None = None,
    ) -> GenerationRecord:
        """Publishes a finished generation atomically and returns the record that is now stored, digests included.

        `weights` is in safetensors format; `candidates` has the histories of a search's candidates, by number. A
        complete generation of this id is kept, and its record is returned; an incomplete or damaged one is set aside.
        Raises StoreError, with nothing published, where writing fails, and ValueError where `record.id` is not its
        generation's. The caller clears the progress.
        """
        if record.id != record.generation.id:
            raise ValueError(f"the record says {record.id!r}, its generation's id is {record.generation.id!r}")
        contents = {
            WEIGHTS_FILE: weights,
            HISTORY_FILE: encode_history(history),
            PREDICTIONS_FILE: encode_predictions(predictions),
        }
        if candidates is not None:
            contents[CANDIDATES_FILE] = encode_candidates(candidates)
        return publish(self._layout, record, contents)

    def weights(self, generation_id: str) -> bytes:
        """The weights, in safetensors format. Raises DamagedError where they are not what was published."""
        return read_file(self._layout, generation_id, WEIGHTS_FILE)

    def history(self, generation_id: str) -> tuple[EpochReport, ...]:
        """The report of each epoch. Raises DamagedError where they are not what was published."""
        return self._decoded(generation_id, HISTORY_FILE, decode_history)

    def candidate_histories(self, generation_id: str) -> dict[int, tuple[EpochReport, ...]]:
        """The reports of each candidate of a searched generation, by number. Raises DamagedError likewise."""
        return self._decoded(generation_id, CANDIDATES_FILE, decode_candidates)

    def remove(self, generation_id: str) -> None:
        """Removes a generation, its progress and the claims on it; nothing where there is none."""
        self._layout.generation(generation_id).remove_folder()
        self.clear_progress(generation_id)
        self._layout.claims(generation_id).remove_folder()

    def predictions(self, generation_id: str) -> Predictions | TokenPredictions:
        """The generation's predictions for held-out splits.

        Raises DamagedError where they are not what was published.
        """
        return self._decoded(generation_id, PREDICTIONS_FILE, decode_predictions)

    def _decoded(self, generation_id: str, name: str, decode: Callable[[bytes], _Decoded]) -> _Decoded:
        content = read_file(self._layout, generation_id, name)
        try:
            return decode(content)
        except MemoryError:
            raise
        except Exception as error:
            # Parquet's reader raises many types of errors, even if the digest is right: a store's content is untrusted.
            folder = self._layout.generation(generation_id)
            reason = " ".join(str(error).split()) or type(error).__name__
            raise DamagedError(
                f"{name} of {folder} cannot be read: {reason}",
                remedy=f"move {folder} away; the next bansweep run trains it again",
            ) from error

    def lineage(self, record: GenerationRecord) -> list[GenerationRecord]:
        """The record's ancestors and the record itself, the first ancestor first, as far as the store has them.

        Raises StoreError where a generation descends from itself.
        """
        lineage = [record]
        seen = {record.id}
        while (teacher_id := lineage[-1].generation.teacher) is not None:
            if teacher_id in seen:
                raise StoreError(
                    f"circular teachers in {self.location}: generation {teacher_id} descends from itself",
                    remedy=f"move {self._layout.generation(teacher_id)} away; the next bansweep run trains it again",
                )
            teacher = self.record(teacher_id)
            if teacher is None:
                break
            lineage.append(teacher)
            seen.add(teacher_id)
        return lineage[::-1]

    def everything(self) -> set[str]:
        """The ids of all finished generations and of those in progress."""
        return {*self.ids(), *(name for name in self._layout.progress_folders.names() if name[0] != ".")}

    # Running generations

    def save_progress(self, generation_id: str, progress: Progress) -> None:
        """Saves progress durably; the last two are kept."""
        save_progress(self._layout.progress(generation_id), progress)

    def begun(self) -> frozenset[str]:
        """The generations that may have progress. Lists one directory."""
        return frozenset(self._layout.progress_folders.names())

    def load_progress(self, generation_id: str) -> Progress | None:
        """The newest undamaged progress, or None. Damaged files are set aside, with a warning in the log."""
        return load_progress(self._layout.progress(generation_id))

    def epochs_done(self, generation_id: str) -> int:
        """How many epochs the newest progress has done; 0 where there is none. Nothing is read but its name."""
        return epochs_done(self._layout.progress(generation_id))

    def clear_progress(self, generation_id: str) -> None:
        """Removes the generation's progress; nothing where there is none."""
        clear_progress(self._layout.progress(generation_id))

    def begin_attempt(self, generation_id: str, run: str) -> int:
        """Records that training starts or resumes, and returns the number of attempts of this `run` (the caller's name
        for it) since the last saved epoch: 1 for the first."""
        folder = self._layout.progress(generation_id)
        place = {"run": run, "epochs_done": self.epochs_done(generation_id)}
        attempts = 1
        with suppress(FileNotFoundError, *_UNREADABLE_NOTE):
            before = json.loads((folder / ATTEMPTS_FILE).read())
            if before["place"] == place:
                attempts += int(before["attempts"])
        folder.make_folder()
        with suppress(FileNotFoundError):  # it was just published, and its progress removed
            text = json.dumps({"place": place, "attempts": attempts})
            (folder / ATTEMPTS_FILE).replace(text.encode(), durable=False)
        return attempts

    def ask_to_stop(self, generation_id: str) -> None:
        """Asks the process that trains the generation to stop after the current epoch."""
        folder = self._layout.progress(generation_id)
        folder.make_folder()
        # If the folder is gone, training has just finished.
        with suppress(FileNotFoundError):
            (folder / STOP_FILE).replace(b"")

    def is_asked_to_stop(self, generation_id: str) -> bool:
        return (self._layout.progress(generation_id) / STOP_FILE).exists()

    def withdraw_stop(self, generation_id: str) -> None:
        """Removes a request to stop; nothing where there is none."""
        (self._layout.progress(generation_id) / STOP_FILE).remove()

    def save_search_counts(self, generation_id: str, counts: Mapping[str, int]) -> None:
        """Writes the number of a search's candidates by state, for `bansweep status`. Errors of writing are ignored."""
        folder = self._layout.progress(generation_id)
        with suppress(StoreError, OSError):
            folder.make_folder()
            (folder / SEARCH_FILE).replace(json.dumps(dict(counts)).encode(), durable=False)

    def search_counts(self, generation_id: str) -> dict[str, int]:
        """The last `save_search_counts`; empty where no search is running, or it cannot be read."""
        try:
            text = (self._layout.progress(generation_id) / SEARCH_FILE).read()
            return {str(key): int(value) for key, value in json.loads(text).items()}
        except (FileNotFoundError, *_UNREADABLE_NOTE):
            return {}

    def claim(self, generation_id: str) -> Claim:
        """The claim on training the generation, not yet acquired."""
        return Claim(self._layout.claims(generation_id), finished=lambda: bool(self.finished([generation_id])))

    # Sweeps

    def write_sweep_file(self, sweep: str, name: str, text: str) -> None:
        """Writes `<root>/sweeps/<sweep>/<name>` atomically: a reader sees the former text or this one."""
        folder = self._layout.sweep(sweep)
        folder.make_folder()
        (folder / name).replace(text.encode())

    def sweep_path(self, sweep: str) -> StorePath:
        """`<root>/sweeps/<name>`, which need not exist."""
        return self._layout.sweep(sweep)
