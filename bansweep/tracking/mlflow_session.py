"""What the tracker's thread does: connects to MLflow, sends live events, backfills what is missing.

MLflow can delete runs, but no single points. Therefore an epoch that is trained again recreates its run (`runs.py`).
Epochs that a pruned candidate trained before it stopped stay.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from bansweep.graph.events import (
    CandidateEnded,
    CandidateEpochFinished,
    CandidateEvent,
    CandidateStarted,
    EpochFinished,
    GenerationBlocked,
    GenerationElsewhere,
    GenerationFailed,
    GenerationFinished,
    GenerationNotNeeded,
    GenerationStarted,
    GenerationStopped,
    GenerationUncompiled,
    SweepEvent,
)
from bansweep.graph.plan import Plan
from bansweep.tracking import client, payload
from bansweep.tracking.completion import (
    completed_candidate,
    completed_ensemble,
    completed_generation,
    describe_ensemble,
)
from bansweep.tracking.models import register_models
from bansweep.tracking.payload import RunDescription
from bansweep.tracking.protocol import FinishedEnsemble, FinishedGeneration, SweepStatus
from bansweep.tracking.runs import SweepRuns, open_runs
from bansweep.tracking.sync_state import SyncState, lock_path, read_sync_state, sync_state_path, write_sync_state
from bansweep.tracking.tracking_uri import artifact_location, database_file, without_credentials

WithoutRun = GenerationBlocked | GenerationNotNeeded | GenerationElsewhere | GenerationUncompiled
"""Events that change no run: the parent run's note, another process or the display reports them."""

_PAUSE_S = 1.0  # between live batches: a batch a second is live enough, and epochs can take milliseconds
_BACKOFF_S = 10.0  # after a live batch that failed
_RETRIES_S = (2.0, 8.0)  # pauses before backfilling again, where the server has answered before


@dataclass(frozen=True)
class Ending:
    """How a sweep ended: `documents` maps file names to text, `failed` and `killed` say what was not finished.

    `ended_at` is a Unix time in seconds; `candidates` has the last event of each candidate of an unfinished generation.
    """

    documents: Mapping[str, str]
    tags: Mapping[str, str]
    status: SweepStatus
    ended_at: float
    failed: Mapping[str, str]
    killed: frozenset[str]
    candidates: tuple[CandidateStarted | CandidateEnded, ...] = ()
    ensembles: tuple[FinishedEnsemble, ...] = ()

    @property
    def digest(self) -> str:
        """Changes with what the parent run shows, and with the ensembles."""
        ensembles = [[one.key, dict(one.metrics)] for one in self.ensembles]
        return payload.digest_of([dict(self.documents), dict(self.tags), self.status, ensembles])


class MlflowSession:
    """Synchronises one sweep with the MLflow at `uri`. `send_live` and `backfill` belong to one thread and never raise.

    `sent` has the ids of the generations that MLflow holds completely, `error` the reason why the last attempt failed;
    any thread may read both. After an error, and with `thorough` always, `backfill` looks for duplicate and missing
    runs. `has_ended` is true once the sweep's end is sent. Models follow: an error of the registry affects nothing else
    and is kept in `models_error`.
    """

    def __init__(self, uri: str, store_root: Path, sweep: str, *, thorough: bool = False) -> None:
        self.uri = uri
        self.sent: set[str] = set()
        self.error = ""
        self.models_error = ""
        self.has_ended = False
        self._artifact_location = artifact_location(uri, store_root)
        self._sweep = sweep
        self._sync_state_path = sync_state_path(store_root, sweep)
        self._sync_state = SyncState(uri=without_credentials(uri))
        self._runs: SweepRuns | None = None
        self._has_answered = False
        self._is_refused = False
        self._lock = lock_path(store_root, sweep)
        self._store_root = store_root.absolute()
        self._thorough = thorough
        self._in_doubt = thorough

    def recall(self, plan: Plan) -> None:
        """Read which of the plan's generations were completed by earlier sessions, as they are described now."""
        file = database_file(self.uri)
        if file is not None and not file.exists():
            return
        self._sync_state = read_sync_state(self._sync_state_path, without_credentials(self.uri))
        self.sent = {
            generation_id
            for generation_id in plan.generations.keys() & self._sync_state.complete.keys()
            if self._sync_state.complete[generation_id] == payload.describe(plan, generation_id).digest
        }

    def compare(self, plan: Plan, items: Sequence[FinishedGeneration]) -> None:
        """Removes from `sent` what was retrained since it was sent, perhaps by another sweep."""
        for item in items:
            if item.generation_id in self.sent:
                completion = completed_generation(payload.describe(plan, item.generation_id), item)
                if self._sync_state.records.get(item.generation_id) != completion.digest:
                    self.sent.discard(item.generation_id)

    def knows(self, ending: Ending) -> bool:
        """Whether MLflow shows this ending already."""
        sent = self._sync_state.ensembles.keys()
        return self._sync_state.parent == ending.digest and all(one.key in sent for one in ending.ensembles)

    def send_live(self, plan: Plan, events: Sequence[SweepEvent]) -> float:
        """Send a batch of events; the seconds to wait before the next one."""
        self._forget({event.generation_id for event in events if isinstance(event, GenerationStarted | EpochFinished)})
        try:
            send_live(self._connected(time.time()), plan, events)
        except Exception as error:
            # This batch is dropped and backfilled from the store. Later ones wait meanwhile.
            self._note(error)
            return _BACKOFF_S
        return _PAUSE_S

    def backfill(
        self, plan: Plan, items: Sequence[FinishedGeneration], ending: Ending, abandoned: threading.Event
    ) -> None:
        """Complete `items`, then end the sweep. Stops early once `abandoned` is set."""
        for pause_s in (0.0, *_RETRIES_S):
            if abandoned.wait(pause_s):
                return
            self.error = ""
            self._attempt(plan, items, ending, abandoned)
            # Retry only a server that has answered before, which probably returns, and none that refused.
            if not self.error or not self._has_answered or self._is_refused:
                return

    def _attempt(
        self, plan: Plan, items: Sequence[FinishedGeneration], ending: Ending, abandoned: threading.Event
    ) -> None:
        begun_at = min((item.started_at for item in items), default=ending.ended_at)
        try:
            runs = self._connected(begun_at)
            if self._in_doubt:
                held = runs.merge_duplicates()
                self._forget({one for one in plan.generations if (payload.GENERATION, one) not in held})
                self._sync_state.ensembles = {
                    key: digest for key, digest in self._sync_state.ensembles.items() if (payload.ENSEMBLE, key) in held
                }
                self._in_doubt = False
        except Exception as error:
            self._note(error)
            return
        for item in items:
            if abandoned.is_set():
                return
            try:
                self._complete(self._connected(begun_at), plan, item, abandoned)
            except Exception as error:
                # MLflow may refuse one generation and accept the others.
                self._note(error)
        by_id = {item.generation_id: item for item in items}
        for ensemble in ending.ensembles:
            if abandoned.is_set():
                return
            try:
                self._complete_ensemble(self._connected(begun_at), plan, ensemble, by_id)
            except Exception as error:
                self._note(error)
        try:
            runs = self._connected(begun_at)
            self._end(runs, plan, ending)
            run_ids = runs.link_notes()
            self.has_ended = True
        except Exception as error:
            self._note(error)
            return
        if abandoned.is_set():
            return
        try:
            self.models_error = ""
            register_models(
                runs.models, plan, items, run_ids, {} if self._thorough else self._sync_state.models, abandoned
            )
        except Exception as error:
            self.models_error = client.in_one_line(error, self.uri, self._sweep)
        write_sync_state(self._sync_state_path, self._sync_state)

    def _complete(self, runs: SweepRuns, plan: Plan, item: FinishedGeneration, abandoned: threading.Event) -> None:
        if item.generation_id in self.sent:
            return
        description = payload.describe(plan, item.generation_id)
        completion = completed_generation(description, item)
        run_id = runs.complete(description, completion)
        if not self._complete_candidates(runs, plan, item, run_id, abandoned):
            return
        self._sync_state.complete[item.generation_id] = description.digest
        self._sync_state.records[item.generation_id] = completion.digest
        write_sync_state(self._sync_state_path, self._sync_state)
        self.sent.add(item.generation_id)

    def _complete_candidates(
        self, runs: SweepRuns, plan: Plan, item: FinishedGeneration, run_id: str, abandoned: threading.Event
    ) -> bool:
        """Completes the candidates of the generation with the run `run_id`; whether there was time for all."""
        for one in item.candidates:
            if abandoned.is_set():
                return False
            description = payload.describe_candidate(plan, item.generation_id, one.candidate)
            completion = completed_candidate(description, item, one)
            _, key = description.identity
            digest = payload.digest_of([run_id, description.digest, completion.digest])
            if self._sync_state.candidates.get(key) != digest:
                runs.complete(description, completion)
                self._sync_state.candidates[key] = digest
                write_sync_state(self._sync_state_path, self._sync_state)
        return True

    def _complete_ensemble(
        self, runs: SweepRuns, plan: Plan, ensemble: FinishedEnsemble, items: Mapping[str, FinishedGeneration]
    ) -> None:
        if not items.keys() >= set(ensemble.members):
            return  # a member's history has been lost since the report was made
        description = describe_ensemble(plan, ensemble)
        completion = completed_ensemble(description, ensemble, items)
        digest = payload.digest_of([description.digest, completion.digest])
        if self._sync_state.ensembles.get(ensemble.key) != digest:
            runs.complete(description, completion)
            self._sync_state.ensembles[ensemble.key] = digest
            write_sync_state(self._sync_state_path, self._sync_state)

    def _end(self, runs: SweepRuns, plan: Plan, ending: Ending) -> None:
        for failed, reason in ending.failed.items():
            runs.end(payload.describe(plan, failed), "FAILED", ending.ended_at, payload.failure_tags(reason))
        for killed in ending.killed:
            runs.end(payload.describe(plan, killed), "KILLED", ending.ended_at, {})
        for event in ending.candidates:
            status, tags = payload.last_word(event)
            runs.end(payload.describe_subject(plan, event), status, ending.ended_at, tags)
        runs.end_sweep(ending.documents, ending.tags, ending.status, ending.ended_at)
        self._sync_state.parent = ending.digest
        write_sync_state(self._sync_state_path, self._sync_state)

    def _forget(self, generation_ids: set[str]) -> None:
        """Records, for later sessions too, that MLflow does not hold these completely."""
        self.sent -= generation_ids
        forgotten = generation_ids & self._sync_state.complete.keys()
        for generation_id in forgotten:
            del self._sync_state.complete[generation_id]
        if forgotten:
            write_sync_state(self._sync_state_path, self._sync_state)

    def _connected(self, begun_at: float) -> SweepRuns:
        """The sweep's runs; looked up again after an error."""
        if self._runs is None:
            runs = open_runs(
                client.open_client(self.uri),
                self._sweep,
                self._artifact_location,
                begun_at,
                self._lock,
                self._store_root,
            )
            self._has_answered = True
            runs.begin_sweep()
            if self._sync_state.experiment_id != runs.experiment_id:
                # Another database than the one that the cache describes.
                self._sync_state = SyncState(uri=without_credentials(self.uri), experiment_id=runs.experiment_id)
                self.sent.clear()
            self._runs = runs
        return self._runs

    def _note(self, error: Exception) -> None:
        self._runs = None
        self._in_doubt = True
        self._is_refused = client.is_refusal(error)
        self.error = client.in_one_line(error, self.uri, self._sweep)


def send_live(runs: SweepRuns, plan: Plan, events: Sequence[SweepEvent]) -> None:
    """Send a batch of events, in one request per generation or candidate where they are epochs.

    Of several state changes of a subject only the last is sent. May raise whatever MLflow's client raises.
    """
    subjects: dict[tuple[str, str], list[SweepEvent]] = defaultdict(list)
    for event in events:
        if event.generation_id in plan.generations and not isinstance(event, WithoutRun):
            candidate_id = event.candidate.id if isinstance(event, CandidateEvent) else ""
            subjects[event.generation_id, candidate_id].append(event)
    now = time.time()
    for of_subject in subjects.values():
        description = payload.describe_subject(plan, of_subject[0])
        epochs = [event for event in of_subject if isinstance(event, EpochFinished | CandidateEpochFinished)]
        if epochs:
            points = [point for event in epochs for point in payload.epoch_points(event.report)]
            runs.add_points(description, points, started_at=now)
        for event in reversed(of_subject):
            if not isinstance(event, EpochFinished | CandidateEpochFinished):
                _send_change(runs, description, event, now)
                break


def _send_change(runs: SweepRuns, description: RunDescription, event: SweepEvent, now: float) -> None:
    match event:
        case GenerationStarted() | CandidateStarted():
            runs.begin(description, started_at=now)
        case GenerationFailed(reason=reason):
            runs.end(description, "FAILED", now, payload.failure_tags(reason))
        case GenerationStopped():
            runs.end(description, "KILLED", now, {})
        case GenerationFinished(reused=False):
            runs.end(description, "FINISHED", now, {})
        case CandidateEnded(outcome=outcome, reason=reason):
            runs.end(description, payload.CANDIDATE_STATUS[outcome], now, payload.outcome_tags(outcome, reason))
        case GenerationFinished() | GenerationBlocked() | GenerationNotNeeded() | GenerationElsewhere():
            pass  # Reused ones are backfilled from the store.
        case GenerationUncompiled():
            pass
        case EpochFinished() | CandidateEpochFinished():
            pass  # They change no state.
        case _:
            assert_never(event)
