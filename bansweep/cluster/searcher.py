"""The plan as Ray Tune sees it: a searcher that suggests a generation when its teacher is in the store.

Runs in the driver, in Tune's loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ray.tune.search import Searcher

from bansweep.cluster.placement import remove_placement_group, told_placement_group
from bansweep.cluster.reports import epoch_report
from bansweep.plan.events import (
    EpochFinished,
    GenerationBlocked,
    GenerationFailed,
    GenerationFinished,
    GenerationStarted,
    SweepEvent,
)
from bansweep.plan.frontier import Frontier

LOST = (
    "its process died again and again; the operating system may have run out of memory\n"
    "  the same command tries again from the last saved epoch; resources.concurrency: 1 leaves each one more memory"
)


class PlanSearcher(Searcher):
    """Releases generations along a frontier, hears the reports of their trials, and tells the frontier how they end.

    What a trial reports is described in `trial.generation_trial`. One that ends without an `outcome` lost its process.
    """

    def __init__(
        self,
        frontier: Frontier,
        configuration: Callable[[str], dict[str, Any]],
        emit: Callable[[SweepEvent], None],
        remove: Callable[[str], None] = remove_placement_group,
    ) -> None:
        super().__init__()
        self._frontier = frontier
        self._configuration = configuration
        self._emit = emit
        self._remove_placement_group = remove
        self._placement_group_of: dict[str, str] = {}
        self._generation_of: dict[str, str] = {}
        self._outcome_of: dict[str, tuple[str, str]] = {}

    def suggest(self, trial_id: str) -> Any:
        """A trial's configuration; None: ask again later; FINISHED: there will be no more."""
        generation_id = self._frontier.take()
        if generation_id is not None:
            self._generation_of[trial_id] = generation_id
            return self._configuration(generation_id)
        # Tune asks again after None, for ever: it must not hear it when nothing runs that could change the answer.
        return Searcher.FINISHED if self._frontier.exhausted else None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        generation_id = self._generation_of.get(trial_id)
        if generation_id is None:
            return
        if (group := told_placement_group(result)) is not None:
            self._placement_group_of[trial_id] = group
        if "started" in result:
            self._remove_leftovers(trial_id)
            self._emit(GenerationStarted(generation_id, epochs_done=result["started"]))
        if (report := epoch_report(result)) is not None:
            self._emit(EpochFinished(generation_id, report))
        if "outcome" in result:
            self._outcome_of[trial_id] = (result["outcome"], result.get("reason", ""))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if result is not None and not error:
            # A trial's very last report arrives here alone.
            self.on_trial_result(trial_id, result)
        generation_id = self._generation_of.pop(trial_id, None)
        if generation_id is None:
            return  # Tune calls twice where something went wrong in between
        if error:
            self._remove_leftovers(trial_id)
        outcome, reason = self._outcome_of.pop(trial_id, ("failed", LOST))
        if outcome != "failed":
            self._frontier.finish(generation_id)
            self._emit(GenerationFinished(generation_id, reused=outcome == "reused"))
            return
        blocked = self._frontier.fail(generation_id)
        self._emit(GenerationFailed(generation_id, reason))
        for student_id in blocked:
            self._emit(GenerationBlocked(student_id, cause=generation_id))

    def _remove_leftovers(self, trial_id: str) -> None:
        """Free what a former attempt of a trial may have left when its processes died."""
        group = self._placement_group_of.pop(trial_id, None)
        if group is not None:
            self._remove_placement_group(group)

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its whole configuration, for a restore that is never used: a sweep resumes from the store.
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: see `__getstate__`."""

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a sweep resumes from the store, with a new searcher")
