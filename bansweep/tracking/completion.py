"""What is said of a run once the store holds everything about its generation or candidate. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bansweep.plan.metric_text import figure_text, name_text
from bansweep.tracking import payload
from bansweep.tracking.payload import NOTE, Point, RunDescription, RunStatus
from bansweep.tracking.protocol import FinishedCandidate, FinishedGeneration
from bansweep.tracking.run_note import room_beside
from bansweep.tracking.search_table import search_table

# What a generation is judged by: the first of these that it has.
_VERDICTS = ("test_error", "test_perplexity", "validation_error", "validation_perplexity")


@dataclass(frozen=True)
class Completion:
    """All that is added to a run's description in the end. `started_at` and `ended_at` are Unix times in seconds."""

    status: RunStatus
    params: Mapping[str, str]
    tags: Mapping[str, str]
    points: tuple[Point, ...]
    started_at: float
    ended_at: float

    @property
    def digest(self) -> str:
        """Changes with whatever was trained anew."""
        return payload.digest_of([self.status, dict(self.params), dict(self.tags), self.points])


def completed_generation(description: RunDescription, item: FinishedGeneration) -> Completion:
    """The end of a generation's run. That of a searched one was chosen from candidates: it says which, and why."""
    begun = [item.started_at, *(_begun_at(item, one) for one in item.candidates)]
    ended = [item.finished_at, *(_ended_at(item, one) for one in item.candidates)]
    chosen = item.chosen
    note = "\n\n".join(filter(None, (verdict(item.metrics), description.tags[NOTE])))
    params, tags = {}, {}
    if chosen is not None:
        # A candidate that another search trained first has that search's metric: MLflow lets no parameter change.
        described = description.params
        params = {
            key: value
            for key, value in payload.candidate_params(chosen.candidate).items()
            if described.get(key, value) == value
        }
        winner = f"{chosen.candidate.number + 1} ({chosen.candidate.id})"
        tags["bansweep.winning_candidate"] = winner
        note += f"\n\ncandidate {winner} of {len(item.candidates)} was chosen:\n\n"
        note += search_table(item, room=room_beside(note))
    return Completion(
        status="FINISHED",
        params=params,
        tags={**tags, NOTE: note[: payload.LONGEST_TAG]},
        points=_generation_points(item),
        started_at=min(begun),
        ended_at=max(ended),
    )


def completed_candidate(description: RunDescription, item: FinishedGeneration, one: FinishedCandidate) -> Completion:
    """The end of the run of one of `item`'s candidates."""
    metric = item.generation.select.metric
    verdict = f"**{one.outcome}**"
    figures = {payload.END_WITNESS: one.seconds}
    if one.epoch is not None:
        figures["selected_epoch"] = float(one.epoch)
    if one.value is not None and metric is not None:
        # The name that the generation's figure has: both stand in one column of MLflow's table.
        figures[f"final_{metric}"] = one.value
        verdict += f", {name_text(metric)} {figure_text(metric, one.value)} in epoch {one.epoch}"
    tags = {NOTE: f"{verdict}\n\n{description.tags[NOTE]}"[: payload.LONGEST_TAG]}
    tags.update(payload.outcome_tags(one.outcome, one.reason))
    if one is item.chosen:
        tags[payload.WINNER] = "true"
    points = [point for report in one.history for point in payload.epoch_points(report)]
    last_epoch = one.history[-1].epoch if one.history else 0
    ended_at = _ended_at(item, one)
    return Completion(
        status=payload.CANDIDATE_STATUS[one.outcome],
        params={},
        tags=tags,
        points=(*points, *points_at(figures, ended_at, last_epoch)),
        started_at=_begun_at(item, one),
        ended_at=ended_at,
    )


def verdict(metrics: Mapping[str, float]) -> str:
    """In bold: the figure that the report shows, else the first one that there is; empty where there is none."""
    name = next((name for name in (*_VERDICTS, *metrics) if name in metrics), None)
    return "" if name is None else f"**{name_text(name)} {figure_text(name, metrics[name])}**"


def _generation_points(item: FinishedGeneration) -> tuple[Point, ...]:
    """A generation's epochs, and its final figures at the last of them."""
    points = [point for report in item.history for point in payload.epoch_points(report)]
    last_epoch = item.history[-1].epoch if item.history else 0
    figures = {
        **{f"final_{name}": value for name, value in item.metrics.items()},
        "parameters": float(item.parameters),
        payload.END_WITNESS: item.training_seconds,
    }
    if item.selected_epoch is not None:
        figures["selected_epoch"] = float(item.selected_epoch)
    return (*points, *points_at(figures, item.finished_at, last_epoch))


def points_at(figures: Mapping[str, float], seconds: float, epoch: int) -> tuple[Point, ...]:
    """Figures of one moment, a Unix time in seconds."""
    return tuple(Point(key, value, payload.milliseconds(seconds), epoch) for key, value in figures.items())


def _begun_at(item: FinishedGeneration, one: FinishedCandidate) -> float:
    """When a candidate began. One that failed before its first epoch ended leaves no time; the winner's stands in."""
    return one.history[0].finished_at - one.history[0].seconds if one.history else item.started_at


def _ended_at(item: FinishedGeneration, one: FinishedCandidate) -> float:
    return one.history[-1].finished_at if one.history else item.started_at
