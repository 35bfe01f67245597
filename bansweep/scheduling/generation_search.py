"""A search within one generation while it runs: which candidate to train next, which to stop, and which one wins."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bansweep.graph.candidates import (
    Candidate,
    CandidateOutcome,
    Observation,
    Sampler,
    Setting,
    candidate_of,
    former_candidates,
)
from bansweep.graph.generation import Generation
from bansweep.graph.results import CandidateResult, EpochReport, comparable, selected_epoch
from bansweep.scheduling.pruning import Course, Verdict, verdicts


@dataclass
class _Running:
    candidate: Candidate
    history: list[EpochReport] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    ended: bool = False
    failure: str | None = None

    def record(self, report: EpochReport, value: float) -> None:
        del self.history[report.epoch - 1 :], self.values[report.epoch - 1 :]
        self.history.append(report)
        self.values.append(value)


class GenerationSearch:
    """The search of a searched generation. Knows no store and no cluster; its decisions depend on no times.

    `trained_before` returns a candidate's epochs that are in the store, and whether they are all of its training.
    """

    def __init__(
        self,
        generation: Generation,
        sampler: Sampler,
        trained_before: Callable[[Candidate], tuple[Sequence[EpochReport], bool]] = lambda _: ((), False),
    ) -> None:
        assert generation.search is not None
        assert generation.select.metric is not None
        self.generation = generation
        self._pruner = generation.search.pruner
        self._size = generation.search.size
        self._metric = generation.select.metric
        self._sampler = sampler
        self._trained_before = trained_before
        self._candidates: list[_Running] = []
        self._observed = 0
        # Computed when they are asked for, and cached until something changes.
        self._last_verdicts: list[Verdict] = []
        self._changed = False

    def take(self) -> Candidate | None:
        """The next candidate to train; None if there is none, or none yet.

        Candidates that need no training, because they ended or were pruned before, are skipped.
        """
        while self.has_more():
            number = len(self._candidates)
            setting = self._sampler.draw(number)
            if setting is None:
                self._size = number
                return None
            try:
                candidate = candidate_of(self.generation, number, setting)
            except ValueError as error:
                # Not every combination of ranges can be checked in advance.
                impossible = Candidate(number, setting, self.generation)
                self._candidates.append(_Running(impossible, ended=True, failure=str(error)))
                continue
            candidate, history, ended = self._as_known(candidate, setting)
            self._candidates.append(_Running(candidate, ended=ended))
            for report in history:
                self.record(number, report)
            if not ended and self._verdicts()[number].pruned_after is None:
                return candidate
        return None

    def _as_known(self, candidate: Candidate, setting: Setting) -> tuple[Candidate, Sequence[EpochReport], bool]:
        """The candidate under the id with most of its training in the store, its epochs, and whether these are all."""
        history, ended = self._trained_before(candidate)
        if not ended:
            for former in former_candidates(self.generation, candidate.number, setting):
                former_history, former_ended = self._trained_before(former)
                if former_ended or len(former_history) > len(history):
                    candidate, history, ended = former, former_history, former_ended
                if ended:
                    break
        return candidate, history, ended

    def record(self, number: int, report: EpochReport) -> None:
        """A candidate has finished an epoch. All epochs before it must have been recorded.

        An epoch that is repeated after a restart replaces the former one and those after it.
        """
        done = self.epochs_recorded(number)
        assert report.epoch <= done + 1, f"epoch {report.epoch} after {done}"
        self._candidates[number].record(report, report.metrics[self._metric])
        self._changed = True

    def epochs_recorded(self, number: int) -> int:
        """How many epochs of a candidate have been recorded."""
        return len(self._candidates[number].history)

    @property
    def candidate_ids(self) -> set[str]:
        """The ids of the candidates that were drawn so far."""
        return {running.candidate.id for running in self._candidates}

    def end(self, number: int, failure: str | None = None) -> None:
        """A candidate trains no longer: it has finished all its epochs, was stopped, or has failed."""
        running = self._candidates[number]
        running.failure = failure
        running.ended = failure is not None or len(running.history) == running.candidate.generation.recipe.epochs
        self._changed = True

    def lose(self, number: int) -> Candidate:
        """The result of a finished candidate is lost: it must be trained again."""
        self._candidates[number] = _Running(self._candidates[number].candidate)
        self._last_verdicts[number] = Verdict(None, waits_at=None, final=False)
        self._changed = True
        return self._candidates[number].candidate

    def has_more(self) -> bool:
        """Whether the next candidate can be drawn now. Side effect: gives the sampler the results that it needs."""
        return not self._all_drawn and self._inform_sampler(self._sampler.waits_for(len(self._candidates)))

    @property
    def pruned(self) -> list[Candidate]:
        """The pruned candidates. Those that still train can be stopped."""
        pairs = zip(self._candidates, self._verdicts(), strict=True)
        return [running.candidate for running, verdict in pairs if verdict.pruned_after is not None]

    @property
    def decided(self) -> bool:
        """Whether all candidates were drawn, and the outcome of each is known."""
        return self._all_drawn and all(verdict.final for verdict in self._verdicts())

    @property
    def outcomes(self) -> list[CandidateOutcome]:
        """The outcomes of candidates that are known so far."""
        pairs = zip(self._candidates, self._verdicts(), strict=True)
        return [self._result(running, verdict).outcome for running, verdict in pairs if verdict.final]

    @property
    def results(self) -> tuple[CandidateResult, ...]:
        """The result of each candidate of a search that is decided."""
        pairs = zip(self._candidates, self._verdicts(), strict=True)
        return tuple(self._result(running, verdict) for running, verdict in pairs)

    @property
    def winner(self) -> CandidateResult | None:
        """The best of the finished candidates, the first among equals; None if all failed."""
        finished = [result for result in self.results if result.outcome == "finished"]
        return min(finished, key=lambda result: comparable(result.value), default=None)

    @property
    def _all_drawn(self) -> bool:
        return len(self._candidates) >= self._size

    def _inform_sampler(self, count: int) -> bool:
        """Give the sampler the results of the first `count` candidates; returns whether all of them are known."""
        while self._observed < count:
            running, verdict = self._candidates[self._observed], self._verdicts()[self._observed]
            if not verdict.final:
                return False
            result = self._result(running, verdict)
            value = None if result.value is None or not math.isfinite(result.value) else result.value
            self._sampler.tell(Observation(self._observed, running.candidate.setting, value))
            self._observed += 1
        return True

    def _verdicts(self) -> list[Verdict]:
        if self._changed or len(self._last_verdicts) < len(self._candidates):
            courses = [Course(running.values, running.ended) for running in self._candidates]
            self._last_verdicts = verdicts(courses, self._pruner, self.generation.recipe.epochs, self._last_verdicts)
            self._changed = False
        return self._last_verdicts

    def _result(self, running: _Running, verdict: Verdict) -> CandidateResult:
        history = tuple(running.history[: verdict.pruned_after])
        if verdict.pruned_after is None and running.failure is not None:
            return CandidateResult(running.candidate, "failed", history, None, None, running.failure)
        epoch = selected_epoch(history, self.generation)
        value = history[epoch - 1].metrics[self._metric]
        outcome: CandidateOutcome = "finished" if verdict.pruned_after is None else "pruned"
        return CandidateResult(running.candidate, outcome, history, epoch, value)
