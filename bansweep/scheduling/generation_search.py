"""A search within one generation, while it goes on: whom to train next, whom to stop, and in the end who is chosen."""

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

    def hear(self, report: EpochReport, value: float) -> None:
        del self.history[report.epoch - 1 :], self.values[report.epoch - 1 :]
        self.history.append(report)
        self.values.append(value)


class GenerationSearch:
    """The search of a searched generation. Knows no store and no cluster; what it says depends on no times.

    `known` tells of a candidate's epochs that were trained before, and whether that was all of its training.
    """

    def __init__(
        self,
        generation: Generation,
        sampler: Sampler,
        known: Callable[[Candidate], tuple[Sequence[EpochReport], bool]] = lambda _: ((), False),
    ) -> None:
        assert generation.search is not None
        assert generation.select.metric is not None
        self.generation = generation
        self._pruner = generation.search.pruner
        self._size = generation.search.size
        self._metric = generation.select.metric
        self._sampler = sampler
        self._known = known
        self._candidates: list[_Running] = []
        self._told = 0
        # Nobody looks at an epoch's consequences before the next one: they are kept until something changes.
        self._made: list[Verdict] = []
        self._changed = False

    def take(self) -> Candidate | None:
        """The next candidate to train; None where there is none, or none yet.

        Candidates that need no training, because they ended or were given up before, are passed over.
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
                # Of ranges not every combination can be tried in advance.
                impossible = Candidate(number, setting, self.generation)
                self._candidates.append(_Running(impossible, ended=True, failure=str(error)))
                continue
            candidate, history, ended = self._as_known(candidate, setting)
            self._candidates.append(_Running(candidate, ended=ended))
            for report in history:
                self.hear(number, report)
            if not ended and self._verdicts()[number].pruned_after is None:
                return candidate
        return None

    def _as_known(self, candidate: Candidate, setting: Setting) -> tuple[Candidate, Sequence[EpochReport], bool]:
        """The candidate under the id by which most of its training is known, its epochs, and whether these were all."""
        history, ended = self._known(candidate)
        if not ended:
            for former in former_candidates(self.generation, candidate.number, setting):
                former_history, former_ended = self._known(former)
                if former_ended or len(former_history) > len(history):
                    candidate, history, ended = former, former_history, former_ended
                if ended:
                    break
        return candidate, history, ended

    def hear(self, number: int, report: EpochReport) -> None:
        """A candidate has finished an epoch; one that is told again, after a restart, takes the place of the former.

        All epochs before it have been told.
        """
        assert report.epoch <= self.epochs_heard(number) + 1, f"epoch {report.epoch} after {self.epochs_heard(number)}"
        self._candidates[number].hear(report, report.metrics[self._metric])
        self._changed = True

    def epochs_heard(self, number: int) -> int:
        """How many epochs of a candidate have been told."""
        return len(self._candidates[number].history)

    @property
    def candidate_ids(self) -> set[str]:
        """Those that were drawn so far."""
        return {running.candidate.id for running in self._candidates}

    def end(self, number: int, failure: str | None = None) -> None:
        """A candidate trains no longer: it is through all its epochs, was stopped, or has failed."""
        running = self._candidates[number]
        running.failure = failure
        running.ended = failure is not None or len(running.history) == running.candidate.generation.recipe.epochs
        self._changed = True

    def lose(self, number: int) -> Candidate:
        """What is known of a finished candidate turned out to be lost: it has to be trained again."""
        self._candidates[number] = _Running(self._candidates[number].candidate)
        self._made[number] = Verdict(None, waits_at=None, final=False)
        self._changed = True
        return self._candidates[number].candidate

    def has_more(self) -> bool:
        """Whether the next candidate can be drawn now; tells the sampler what it has to know for that."""
        return not self._all_drawn and self._tell(self._sampler.waits_for(len(self._candidates)))

    @property
    def given_up(self) -> list[Candidate]:
        """The candidates that are pruned: whoever still trains one may stop."""
        pairs = zip(self._candidates, self._verdicts(), strict=True)
        return [running.candidate for running, verdict in pairs if verdict.pruned_after is not None]

    @property
    def decided(self) -> bool:
        """Whether all candidates were drawn, and what becomes of each is known."""
        return self._all_drawn and all(verdict.final for verdict in self._verdicts())

    @property
    def outcomes(self) -> list[CandidateOutcome]:
        """What is known so far to have become of candidates."""
        pairs = zip(self._candidates, self._verdicts(), strict=True)
        return [self._result(running, verdict).outcome for running, verdict in pairs if verdict.final]

    @property
    def results(self) -> tuple[CandidateResult, ...]:
        """What became of each candidate of a search that is decided."""
        pairs = zip(self._candidates, self._verdicts(), strict=True)
        return tuple(self._result(running, verdict) for running, verdict in pairs)

    @property
    def winner(self) -> CandidateResult | None:
        """The best candidate of those that came to the end, the first one among equals; None where all failed."""
        finished = [result for result in self.results if result.outcome == "finished"]
        return min(finished, key=lambda result: comparable(result.value), default=None)

    @property
    def _all_drawn(self) -> bool:
        return len(self._candidates) >= self._size

    def _tell(self, count: int) -> bool:
        """Tell the sampler of the first `count` candidates; whether that can be done yet."""
        while self._told < count:
            running, verdict = self._candidates[self._told], self._verdicts()[self._told]
            if not verdict.final:
                return False
            result = self._result(running, verdict)
            value = None if result.value is None or not math.isfinite(result.value) else result.value
            self._sampler.tell(Observation(self._told, running.candidate.setting, value))
            self._told += 1
        return True

    def _verdicts(self) -> list[Verdict]:
        if self._changed or len(self._made) < len(self._candidates):
            courses = [Course(running.values, running.ended) for running in self._candidates]
            self._made = verdicts(courses, self._pruner, self.generation.recipe.epochs, self._made)
            self._changed = False
        return self._made

    def _result(self, running: _Running, verdict: Verdict) -> CandidateResult:
        history = tuple(running.history[: verdict.pruned_after])
        if verdict.pruned_after is None and running.failure is not None:
            return CandidateResult(running.candidate, "failed", history, None, None, running.failure)
        epoch = selected_epoch(history, self.generation)
        value = history[epoch - 1].metrics[self._metric]
        outcome: CandidateOutcome = "finished" if verdict.pruned_after is None else "pruned"
        return CandidateResult(running.candidate, outcome, history, epoch, value)
