"""What MLflow holds of a finished generation, candidate or ensemble, and of a search. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bansweep.formatting import figure_text, name_text, named_figure_text, setting_text
from bansweep.graph.plan import Plan
from bansweep.graph.results import CandidateResult, comparable
from bansweep.tracking import payload
from bansweep.tracking.payload import NOTE, Point, RunDescription, RunStatus
from bansweep.tracking.protocol import FinishedEnsemble, FinishedGeneration
from bansweep.tracking.run_note import characters_left, ensemble_note

# A generation's main figure is the first of these that it has.
_VERDICTS = ("test_error", "test_perplexity", "validation_error", "validation_perplexity")


@dataclass(frozen=True)
class Completion:
    """What the end of a training adds to its run. `started_at` and `ended_at` are Unix times in seconds."""

    status: RunStatus
    params: Mapping[str, str]
    tags: Mapping[str, str]
    points: tuple[Point, ...]
    started_at: float
    ended_at: float

    @property
    def digest(self) -> str:
        """Changes when the generation was retrained."""
        return payload.digest_of([self.status, dict(self.params), dict(self.tags), self.points])


def completed_generation(description: RunDescription, item: FinishedGeneration) -> Completion:
    """The end of a generation's run. For a searched one it names the chosen candidate and lists all."""
    begun = [item.started_at, *(_begun_at(item, one) for one in item.candidates)]
    ended = [item.finished_at, *(_ended_at(item, one) for one in item.candidates)]
    chosen = item.chosen
    note = "\n\n".join(filter(None, (verdict(item.metrics), description.tags[NOTE])))
    params, tags = {}, {}
    if chosen is not None:
        # A candidate that another search trained first has that search's metric. MLflow cannot change a parameter.
        described = description.params
        params = {
            key: value
            for key, value in payload.candidate_params(chosen.candidate).items()
            if described.get(key, value) == value
        }
        winner = f"{chosen.candidate.number + 1} ({chosen.candidate.id})"
        tags["bansweep.winning_candidate"] = winner
        note += f"\n\ncandidate {winner} of {len(item.candidates)} was chosen:\n\n"
        note += search_table(item, limit=characters_left(note))
    return Completion(
        status="FINISHED",
        params=params,
        tags={**tags, NOTE: note[: payload.LONGEST_TAG]},
        points=_generation_points(item),
        started_at=min(begun),
        ended_at=max(ended),
    )


def completed_candidate(description: RunDescription, item: FinishedGeneration, one: CandidateResult) -> Completion:
    """The end of the run of one of `item`'s candidates."""
    metric = item.generation.select.metric
    verdict = f"**{one.outcome}**"
    figures = {payload.END_WITNESS: one.seconds}
    if one.epoch is not None:
        figures["selected_epoch"] = float(one.epoch)
    if one.value is not None and metric is not None:
        # The name of the generation's figure, so that both share a column of MLflow's table.
        figures[f"final_{metric}"] = one.value
        verdict += f", {named_figure_text(metric, one.value)} in epoch {one.epoch}"
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


def describe_ensemble(plan: Plan, ensemble: FinishedEnsemble) -> RunDescription:
    """The run of an ensemble of generations of `plan`; raises KeyError for members that are not in it."""
    members = [plan.generations[member] for member in ensemble.members]
    replica = f" (seed {ensemble.replica_seed})" if len(plan.replica_seeds) > 1 else ""
    tags = {
        payload.RUN_NAME: f"{ensemble.row} / {ensemble.column}{replica}",
        payload.ENSEMBLE: ensemble.key,
        payload.LEVEL: "ensemble",
        "bansweep.network": ", ".join(dict.fromkeys(member.network.name for member in members)),
        "bansweep.row": ensemble.row,
        "bansweep.column": ensemble.column,
        "bansweep.seed": str(ensemble.replica_seed),
        "bansweep.members": ", ".join(ensemble.members),
        NOTE: ensemble_note(plan, ensemble.members),
    }
    return RunDescription(
        identity=(payload.ENSEMBLE, ensemble.key),
        params={},
        tags={key: value[: payload.LONGEST_TAG] for key, value in tags.items()},
        data=members[0].data,
    )


def completed_ensemble(
    description: RunDescription, ensemble: FinishedEnsemble, items: Mapping[str, FinishedGeneration]
) -> Completion:
    """The figures of an ensemble whose members are among `items` (by id).

    It is finished with its last member. Its parameters and seconds are the sums over all members.
    """
    members = [items[member] for member in ensemble.members]
    ended_at = max(member.finished_at for member in members)
    figures = {
        **{f"final_{name}": value for name, value in ensemble.metrics.items()},
        "parameters": float(sum(member.parameters for member in members)),
        payload.END_WITNESS: sum(member.training_seconds for member in members),
    }
    note = "\n\n".join(filter(None, (verdict(ensemble.metrics), description.tags[NOTE])))
    return Completion(
        status="FINISHED",
        params={},
        tags={NOTE: note[: payload.LONGEST_TAG]},
        points=points_at(figures, ended_at, 0),
        started_at=ended_at,
        ended_at=ended_at,
    )


def verdict(metrics: Mapping[str, float]) -> str:
    """In bold: the figure that the report shows, otherwise the first one; empty where there is none."""
    name = next((name for name in (*_VERDICTS, *metrics) if name in metrics), None)
    return "" if name is None else f"**{named_figure_text(name, metrics[name])}**"


def points_at(figures: Mapping[str, float], seconds: float, epoch: int) -> tuple[Point, ...]:
    """Figures of one moment, a Unix time in seconds."""
    return tuple(Point(key, value, payload.milliseconds(seconds), epoch) for key, value in figures.items())


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


def _begun_at(item: FinishedGeneration, one: CandidateResult) -> float:
    """When a candidate began. One that failed in its first epoch has no time; the generation's is used."""
    return one.history[0].finished_at - one.history[0].seconds if one.history else item.started_at


def _ended_at(item: FinishedGeneration, one: CandidateResult) -> float:
    return one.history[-1].finished_at if one.history else item.started_at


def search_table(item: FinishedGeneration, limit: int) -> str:
    """The candidates of `item`, best value first and failed ones last, in at most `limit` characters if one row fits.

    A last line counts the rows that do not fit.
    """
    ordered = sorted(item.candidates, key=_rank)
    keys = list(dict.fromkeys(key for one in ordered for key in one.candidate.setting))
    metric = item.generation.select.metric or "value"
    titles = ["candidate", *keys, name_text(metric), "epoch", "epochs", "outcome"]
    lines = [_line(titles), _line(["---"] * len(titles))]
    rows = [_row(item, one, keys, metric) for one in ordered]
    left = limit - sum(len(line) + 1 for line in lines) - len(_rest(len(rows)))
    for place, row in enumerate(rows):
        left -= len(row) + 1
        if left < 0 and place > 0:
            return "\n".join((*lines, _rest(len(rows) - place)))
        lines.append(row)
    return "\n".join(lines)


def _rank(one: CandidateResult) -> tuple[bool, float, int]:
    return one.value is None, comparable(one.value), one.candidate.number


def _row(item: FinishedGeneration, one: CandidateResult, keys: list[str], metric: str) -> str:
    number = str(one.candidate.number + 1)
    is_chosen = one is item.chosen
    return _line(
        [
            f"**{number}**" if is_chosen else number,
            *(setting_text(one.candidate.setting[key]) if key in one.candidate.setting else "" for key in keys),
            "" if one.value is None else figure_text(metric, one.value),
            "" if one.epoch is None else str(one.epoch),
            str(len(one.history)),
            "**winner**" if is_chosen else one.outcome,
        ]
    )


def _rest(count: int) -> str:
    # An empty line ends the table.
    return f"\n{count} more, none of them better, in runs of their own"


def _line(entries: list[str]) -> str:
    return "| " + " | ".join(entry.replace("|", "\\|") for entry in entries) + " |"
