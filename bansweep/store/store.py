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

# Reading a note that this class did not write raises one of these; the note is then ignored.
_UNREADABLE_NOTE = (DamagedError, ValueError, OverflowError, RecursionError, AttributeError, KeyError, TypeError)


class Store:
    """The store at `location`, a folder or an object store's URL; it comes to be when something is first written to it.

    Several processes and machines may use one store at once. Every method raises StoreError where it cannot be read or
    written, or an id or name cannot be one.
    """

    def __init__(self, location: str | Path | StorePath) -> None:
        self._root = location if isinstance(location, StorePath) else store_path(location)
        self._layout = Layout(self._root)

    def __repr__(self) -> str:
        return f"Store({self.location!r})"

    @property
    def location(self) -> str:
        """Its absolute folder or its URL, by which another process finds it."""
        return str(self._root)

    @property
    def directory(self) -> Path | None:
        """Its folder; None of an object store."""
        return self._root.path if isinstance(self._root, LocalPath) else None

    @property
    def exists(self) -> bool:
        """Whether anything was ever written to it."""
        return self._root.exists()

    @property
    def candidates(self) -> Store:
        """The store inside the store where the candidates of searches are trained. Once a search is decided its winner
        is published here, and they are removed."""
        return Store(self._layout.candidates)

    # Finished generations

    def finished(self, generation_ids: Iterable[str]) -> frozenset[str]:
        """Those of the generations that are finished. One look each; nothing is read."""
        wanted = sorted(set(generation_ids))
        records = map(self._layout.record, wanted)
        return frozenset(one for one, there in zip(wanted, self._looked_at(records), strict=True) if there)

    def ids(self) -> tuple[str, ...]:
        """The ids of all finished generations, sorted. One look each; nothing is read."""
        names = [name for name in self._layout.generations.names() if not name.startswith(".")]
        records = (self._layout.generations / name / RECORD_FILE for name in names)
        return tuple(name for name, there in zip(names, self._looked_at(records), strict=True) if there)

    def present(self) -> frozenset[str]:
        """The ids under which anything lies here, finished, in progress or incomplete. Two directories are listed."""
        folders = (self._layout.generations, self._layout.progress_folders)
        return frozenset(name for folder in folders for name in folder.names() if not name.startswith("."))

    def _looked_at(self, paths: Iterable[StorePath]) -> list[bool]:
        """Whether each is there. Where a look takes its time, several at once."""
        if not self._root.remote:
            return [path.exists() for path in paths]
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(lambda path: path.exists(), paths))

    def set_aside_damaged(self, generations: Mapping[str, Generation]) -> dict[str, str]:
        """Reads the files of those that are finished; in an object store weights only where another of them needs them.

        One that is damaged is finished no more: it is moved to `generations/.damaged-<id>-*`. Returns what is wrong
        with each, and where it is now.
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
        """Publishes a finished generation whole, and returns the record that is now stored, digests included.

        `weights` is in safetensors format; `candidates` has the histories of a search's, by their numbers. A complete
        generation of this id stays as it is, and its record is returned; an incomplete or damaged one is set aside.
        Raises StoreError where that cannot be written, with nothing published, and ValueError where `record.id` is not
        its generation's. The caller clears the progress.
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
        """What the generation answers to held-out splits. Raises DamagedError where it is not what was published."""
        return self._decoded(generation_id, PREDICTIONS_FILE, decode_predictions)

    def _decoded(self, generation_id: str, name: str, decode: Callable[[bytes], _Decoded]) -> _Decoded:
        content = read_file(self._layout, generation_id, name)
        try:
            return decode(content)
        except MemoryError:
            raise
        except Exception as error:
            # Parquet's reader fails in many ways, also on a file whose digest is right: both can be written on purpose.
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
        """The ids of all that lies here, finished or in progress."""
        return {*self.ids(), *(name for name in self._layout.progress_folders.names() if name[0] != ".")}

    # Running generations

    def save_progress(self, generation_id: str, progress: Progress) -> None:
        """Saves what the generation can resume from, durably; the last two are kept."""
        save_progress(self._layout.progress(generation_id), progress)

    def begun(self) -> frozenset[str]:
        """The generations of which there may be progress. One look at one directory."""
        return frozenset(self._layout.progress_folders.names())

    def load_progress(self, generation_id: str) -> Progress | None:
        """The newest undamaged progress, or None. What is damaged is set aside, with a warning in the log."""
        return load_progress(self._layout.progress(generation_id))

    def epochs_done(self, generation_id: str) -> int:
        """How many epochs the newest progress has done; 0 where there is none. Nothing is read but its name."""
        return epochs_done(self._layout.progress(generation_id))

    def clear_progress(self, generation_id: str) -> None:
        """Removes the generation's progress; nothing where there is none."""
        clear_progress(self._layout.progress(generation_id))

    def begin_attempt(self, generation_id: str, run: str) -> int:
        """Notes that training begins or goes on, and says how often it has in this `run`, a name of the caller's,
        without saving another epoch in between: 1 the first time."""
        folder = self._layout.progress(generation_id)
        place = {"run": run, "epochs_done": self.epochs_done(generation_id)}
        attempts = 1
        with suppress(FileNotFoundError, *_UNREADABLE_NOTE):
            before = json.loads((folder / ATTEMPTS_FILE).read())
            if before["place"] == place:
                attempts += int(before["attempts"])
        folder.make_folder()
        with suppress(FileNotFoundError):  # it was published just now, and its progress removed
            text = json.dumps({"place": place, "attempts": attempts})
            (folder / ATTEMPTS_FILE).replace(text.encode(), durable=False)
        return attempts

    def ask_to_stop(self, generation_id: str) -> None:
        """Asks whoever trains the generation to stop after the epoch that is running."""
        folder = self._layout.progress(generation_id)
        folder.make_folder()
        # Where the folder is gone again, training has just come to its end.
        with suppress(FileNotFoundError):
            (folder / STOP_FILE).replace(b"")

    def is_asked_to_stop(self, generation_id: str) -> bool:
        return (self._layout.progress(generation_id) / STOP_FILE).exists()

    def withdraw_stop(self, generation_id: str) -> None:
        """The generation may be trained on; nothing where nobody asked it to stop."""
        (self._layout.progress(generation_id) / STOP_FILE).remove()

    def save_search_counts(self, generation_id: str, counts: Mapping[str, int]) -> None:
        """Says how far the search of a generation is: how many candidates have begun, and how many ended how.

        For whoever looks; what cannot be written is left out.
        """
        folder = self._layout.progress(generation_id)
        with suppress(StoreError, OSError):
            folder.make_folder()
            (folder / SEARCH_FILE).replace(json.dumps(dict(counts)).encode(), durable=False)

    def search_counts(self, generation_id: str) -> dict[str, int]:
        """What `save_search_counts` said last; empty where no search is under way, or what it said cannot be read."""
        try:
            text = (self._layout.progress(generation_id) / SEARCH_FILE).read()
            return {str(key): int(value) for key, value in json.loads(text).items()}
        except (FileNotFoundError, *_UNREADABLE_NOTE):
            return {}

    def claim(self, generation_id: str) -> Claim:
        """The claim on training the generation, not acquired yet."""
        return Claim(self._layout.claims(generation_id), finished=lambda: bool(self.finished([generation_id])))

    # Sweeps

    def write_sweep_file(self, sweep: str, name: str, text: str) -> None:
        """Writes `<root>/sweeps/<sweep>/<name>` whole: a reader sees the former text or this one."""
        folder = self._layout.sweep(sweep)
        folder.make_folder()
        (folder / name).replace(text.encode())

    def sweep_path(self, sweep: str) -> StorePath:
        """`<root>/sweeps/<name>`, whether it is there or not."""
        return self._layout.sweep(sweep)
