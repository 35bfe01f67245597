"""What `bansweep run` shows while it runs, on stderr: a live view on a terminal, a line an event elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import assert_never

from rich.console import Console, RenderableType
from rich.live import Live

from bansweep.cli.hyperparameters import setting_text
from bansweep.cli.progress_tree import ProgressTree
from bansweep.cli.sweep_state import SweepState, metric_text
from bansweep.plan.events import (
    CandidateEnded,
    CandidateEpochFinished,
    CandidateStarted,
    Choice,
    EpochFinished,
    EpochReport,
    GenerationBlocked,
    GenerationFailed,
    GenerationFinished,
    GenerationNotNeeded,
    GenerationStarted,
    GenerationStopped,
    SweepEvent,
)

SECONDS_BETWEEN_LINES = 10.0


class MessageConsole(Console):
    """Where messages go. When its reader goes away it falls silent; rich would end the process."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class Display:
    """Shows a sweep's state after each of its events."""

    def __init__(self, state: SweepState, console: Console) -> None:
        self._state = state
        self._console = console
        self._live: Live | None = None
        self._printed_at: dict[str, float] = {}
        self._ended_with: set[str] = set()
        self._started = False

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Keep the live view on screen meanwhile, where there is a terminal."""
        if not self._console.is_terminal:
            with suppress(OSError):
                self._console.print(f"starting  {self._state.counts}", soft_wrap=True)
            yield
            return
        # What libraries print has a place of its own (`run_log`).
        with Live(
            self._view(),
            console=self._console,
            transient=True,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def handle(self, event: SweepEvent) -> None:
        """Show an event that the state has taken in. Nobody being there to look is no reason to stop a sweep."""
        with suppress(OSError):
            self._show(event)

    def _show(self, event: SweepEvent) -> None:
        self._started = True
        line = self._line(event)
        if line is not None:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)
        if self._live is not None:
            self._live.update(self._view())

    def _line(self, event: SweepEvent) -> str | None:
        """The line that stays; None for what a live view shows anyway."""
        state = self._state
        label = state.plan.label(event.generation_id)
        match event:
            case GenerationStarted(generation_id, epochs_done):
                search = state.plan.generations[generation_id].search
                what = _going_on(epochs_done) if search is None else f", a search among {search.size} candidates"
                return None if self._live is not None else f"started   {label}{what}"
            case EpochFinished(generation_id, report):
                return self._epoch_line(generation_id, label, report)
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
            case CandidateStarted(generation_id, candidate, epochs_done):
                name = state.candidate_label(generation_id, candidate)
                text = f"started   {name} ({setting_text(candidate.setting)}){_going_on(epochs_done)}"
                return None if self._live is not None else text
            case CandidateEpochFinished(generation_id, candidate, report):
                return self._epoch_line(candidate.id, state.candidate_label(generation_id, candidate), report)
            case CandidateEnded(generation_id, candidate, outcome, reason):
                because = f": {reason}" if reason else ""
                return f"{outcome:<9} {state.candidate_label(generation_id, candidate)}{because}"
            case _:
                assert_never(event)

    def _epoch_line(self, training: str, label: str, report: EpochReport) -> str | None:
        if self._live is not None or not self._is_due(training, report.finished_at):
            return None
        running = self._state.trainings.get(training)
        left = running.time_left_text if running else ""
        told = ", ".join(filter(None, (f"{report.epoch}/{report.epochs}", metric_text(report), left)))
        return f"epoch     {label}: {told}"

    def _is_due(self, training: str, now: float) -> bool:
        """Whether a training's next line is worth printing: not more often than every few seconds."""
        if now - self._printed_at.get(training, 0.0) < SECONDS_BETWEEN_LINES:
            return False
        self._printed_at[training] = now
        return True

    def _view(self) -> RenderableType:
        return ProgressTree(self._state, started=self._started)


def _going_on(epochs_done: int) -> str:
    return f", goes on after epoch {epochs_done}" if epochs_done else ""


def _choice_text(choice: Choice, metric: str) -> str:
    """`: candidate 3 (learning_rate 0.1), validation error 9.00 %, the best of 8 (3 finished, 5 pruned)`."""
    setting = setting_text(choice.candidate.setting)
    parts = ", ".join(f"{amount} {outcome}" for outcome, amount in choice.outcomes.items())
    value = f"{choice.value:.2f} %" if metric.endswith("_error") else f"{choice.value:.4g}"
    best = f"the best of {sum(choice.outcomes.values())} ({parts})"
    return f": candidate {choice.candidate.number + 1} ({setting}), {metric.replace('_', ' ')} {value}, {best}"
