"""An event as a line of text, for pipes and logs, and above a tree."""

from __future__ import annotations

from typing import assert_never

from bansweep.formatting import named_figure_text, settings_text
from bansweep.graph.events import (
    CandidateEnded,
    CandidateEpochFinished,
    CandidateStarted,
    Choice,
    CompileFailure,
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
from bansweep.graph.results import EpochReport
from bansweep.service.sweep_state import SweepState
from bansweep.service.sweep_status import metric_text

SECONDS_BETWEEN_LINES = 10.0

_Progress = GenerationStarted | EpochFinished | GenerationElsewhere | CandidateStarted | CandidateEpochFinished


class EventLines:
    """Words events that the state has handled. `only_ends`: nothing that a tree shows, such as epochs."""

    def __init__(self, state: SweepState, *, only_ends: bool = False) -> None:
        self._state = state
        self._only_ends = only_ends
        self._printed_at: dict[str, float] = {}
        self._ended_with: set[str] = set()
        self._causes: set[tuple[str, bool]] = set()

    def line(self, event: SweepEvent) -> str | None:
        """The line; None for an event without one."""
        if isinstance(event, _Progress):
            return None if self._only_ends else self._progress(event)
        return self._end(event)

    def _progress(self, event: _Progress) -> str | None:
        state = self._state
        label = state.plan.label(event.generation_id)
        match event:
            case GenerationStarted(generation_id, epochs_done):
                search = state.plan.generations[generation_id].search
                what = _resume_text(epochs_done) if search is None else f", a search among {search.size} candidates"
                return f"started   {label}{what}"
            case EpochFinished(generation_id, report):
                return self._epoch(generation_id, label, report)
            case GenerationElsewhere(_, by):
                return f"waits     {label}: {by} trains it"
            case CandidateStarted(generation_id, candidate, epochs_done):
                name = state.candidate_label(generation_id, candidate)
                return f"started   {name} ({settings_text(candidate.setting)}){_resume_text(epochs_done)}"
            case CandidateEpochFinished(generation_id, candidate, report):
                return self._epoch(candidate.id, state.candidate_label(generation_id, candidate), report)
            case _:
                assert_never(event)

    def _end(
        self,
        event: GenerationFinished
        | GenerationFailed
        | GenerationBlocked
        | GenerationStopped
        | GenerationNotNeeded
        | GenerationUncompiled
        | CandidateEnded,
    ) -> str | None:
        state = self._state
        label = state.plan.label(event.generation_id)
        match event:
            case GenerationFinished(generation_id, reused, choice):
                last = state.last_reports.get(generation_id)
                result = ", trained by another process" if reused else f", {metric_text(last)}" if last else ""
                if choice is not None:
                    result = _choice_text(choice, str(state.plan.generations[generation_id].select.metric))
                return f"finished  {label}{result}; {state.counts}"
            case GenerationFailed(_, reason):
                return f"failed    {label}: {reason}"
            case GenerationBlocked(_, cause):
                return f"blocked   {label}: its ancestor {state.plan.label(cause)} failed"
            case GenerationStopped():
                return f"stopped   {label}: its progress is kept"
            case GenerationNotNeeded(_, cause):
                if cause in self._ended_with:
                    return None
                self._ended_with.add(cause)
                return f"left out  what follows {state.plan.label(cause)}: its chain improves no more"
            case GenerationUncompiled(_, failure, compiled_epochs):
                return self._uncompiled(label, failure, compiled_epochs)
            case CandidateEnded(generation_id, candidate, outcome, reason):
                because = f": {reason}" if reason else ""
                return f"{outcome:<9} {state.candidate_label(generation_id, candidate)}{because}"
            case _:
                assert_never(event)

    def _uncompiled(self, label: str, failure: CompileFailure | None, compiled_epochs: int) -> str | None:
        """A warning for each cause, and a line for each generation whose epochs are not all of one kind."""
        lines = []
        if failure is not None and (failure.cause, failure.of_network) not in self._causes:
            self._causes.add((failure.cause, failure.of_network))
            why = f"{failure.host}: {failure.cause}"
            if failure.of_network:
                warning = f"warning   torch.compile cannot compile {label} on {why}; it trains uncompiled (slower)"
            else:
                warning = f"warning   torch.compile does not work on {why}; generations train uncompiled (slower)"
            lines.append(f"{warning}. {failure.remedy}")
        if compiled_epochs:
            epochs = f"{compiled_epochs} compiled epoch{'s' * (compiled_epochs != 1)}"
            lines.append(f"changed   {label} continues uncompiled after {epochs}: last bits of its results differ")
        return "\n".join(lines) or None

    def _epoch(self, training: str, label: str, report: EpochReport) -> str | None:
        if not self._is_due(training, report.finished_at):
            return None
        running = self._state.trainings.get(training)
        left = running.time_left_text if running else ""
        text = ", ".join(filter(None, (f"{report.epoch}/{report.epochs}", metric_text(report), left)))
        return f"epoch     {label}: {text}"

    def _is_due(self, training: str, now: float) -> bool:
        """Whether a training's next line is worth printing: not more often than every few seconds."""
        if now - self._printed_at.get(training, 0.0) < SECONDS_BETWEEN_LINES:
            return False
        self._printed_at[training] = now
        return True


def _resume_text(epochs_done: int) -> str:
    return f", goes on after epoch {epochs_done}" if epochs_done else ""


def _choice_text(choice: Choice, metric: str) -> str:
    """`: candidate 3 (learning_rate 0.1), validation error 9.00 %, the best of 8 (3 finished, 5 pruned)`."""
    setting = settings_text(choice.candidate.setting)
    parts = ", ".join(f"{amount} {outcome}" for outcome, amount in choice.outcomes.items())
    best = f"the best of {sum(choice.outcomes.values())} ({parts})"
    value = named_figure_text(metric, choice.value)
    return f": candidate {choice.candidate.number + 1} ({setting}), {value}, {best}"
