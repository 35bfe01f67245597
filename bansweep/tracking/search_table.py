"""The candidates of a search as a table in Markdown, for the note of its generation's run. Pure."""

from __future__ import annotations

from bansweep.plan.comparison import comparable
from bansweep.tracking.payload import setting_text
from bansweep.tracking.protocol import FinishedCandidate, FinishedGeneration


def search_table(item: FinishedGeneration, room: int) -> str:
    """The candidates of `item`, best value first and failed ones last, in at most `room` characters if one row fits.

    Rows for which there is no room are counted in a last line.
    """
    ordered = sorted(item.candidates, key=_rank)
    keys = list(dict.fromkeys(key for one in ordered for key in one.candidate.setting))
    metric = (item.generation.select.metric or "value").replace("_", " ")
    titles = ["candidate", *keys, metric, "epoch", "epochs", "outcome"]
    lines = [_line(titles), _line(["---"] * len(titles))]
    rows = [_row(item, one, keys) for one in ordered]
    left = room - sum(len(line) + 1 for line in lines) - len(_rest(len(rows)))
    for place, row in enumerate(rows):
        left -= len(row) + 1
        if left < 0 and place > 0:
            return "\n".join((*lines, _rest(len(rows) - place)))
        lines.append(row)
    return "\n".join(lines)


def _rank(one: FinishedCandidate) -> tuple[bool, float, int]:
    return one.value is None, comparable(one.value), one.candidate.number


def _row(item: FinishedGeneration, one: FinishedCandidate, keys: list[str]) -> str:
    number = str(one.candidate.number + 1)
    is_chosen = one is item.chosen
    return _line(
        [
            f"**{number}**" if is_chosen else number,
            *(setting_text(one.candidate.setting[key]) if key in one.candidate.setting else "" for key in keys),
            "" if one.value is None else f"{one.value:.4g}",
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
