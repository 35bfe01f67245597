"""Where chains ended before their length, and why, in words and as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bansweep.formatting import figure_text, name_text, setting_text
from bansweep.graph.chains import ChainEnd
from bansweep.graph.results import comparable
from bansweep.report.document import json_figure


def chain_remarks(ends: Sequence[ChainEnd], *, several_seeds: bool = False) -> tuple[str, ...]:
    """A sentence for each: `wrn-10-1, ban: ended with ban-3 of 5, which is no better than ban-2 ...`."""
    return tuple(_remark(end, several_seeds) for end in ends)


def chains_document(ends: Sequence[ChainEnd]) -> list[dict[str, Any]]:
    """The same for programs: `values` are the teacher's and those of each trained generation."""
    return [
        {
            "chain": end.chain.name,
            "row": end.chain.row,
            "seed": end.chain.replica_seed,
            "ended_after": end.chain.columns[end.length - 1],
            "length": len(end.chain.columns),
            "metric": end.chain.metric,
            "values": [json_figure(value) for value in end.values],
            "best": _name(end, end.best),
        }
        for end in ends
    ]


def _remark(end: ChainEnd, several_seeds: bool) -> str:
    chain, stop = end.chain, end.chain.stop
    assert stop is not None
    where = f"{chain.row}, {chain.name}" + (f" (seed {chain.replica_seed})" if several_seeds else "")
    first, *others = (figure_text(chain.metric, value) for value in end.values)
    course = f"its teacher {first}, then {', '.join(others)}"
    by = f" by more than {setting_text(stop.min_delta)}" if stop.min_delta else ""
    since = "the last generation" if stop.patience == 1 else f"the last {stop.patience} generations"
    were = "was" if stop.patience == 1 else "were"
    ensemble = f"; {chain.ensemble} is the mean of {', '.join(chain.columns[: end.length])}" if chain.ensemble else ""
    return (
        f"{where}: ended with {chain.columns[end.length - 1]} of {len(chain.columns)}, because {since} {were} not "
        f"better{by} than {_name(end, end.length - stop.patience, best=True)}: {name_text(chain.metric)} of "
        f"{course}{ensemble}"
    )


def _name(end: ChainEnd, place: int, *, best: bool = False) -> str:
    """The column at a place of the chain; with `best` the best one up to there."""
    if best:
        place = min(range(place + 1), key=lambda one: comparable(end.values[one]))
    return "its teacher" if place == 0 else end.chain.columns[place - 1]
