"""The note on the page of an MLflow run, in Markdown: loss, teachers, and the command to get it again. Pure.

A note is written before the runs that it links to and the store's path are known. `with_links` inserts both. It can be
applied to its own result again, so that links follow recreated runs.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from bansweep.graph.generation import Generation
from bansweep.graph.plan import Plan

LONGEST_NOTE = 5000
"""MLflow before 3 refuses longer tags."""

_MOST_LINKS = 12
_LINK_CHARACTERS = 60  # `#/experiments/NUMBER/runs/ID` where there was `#`
_STORE_CHARACTERS = 300

# A link's title keeps the generation's id while its target changes.
_LINK = re.compile(r"\]\(#\S* \"([0-9a-f]{16})\"\)")
_STORE = "{store}"


def name_of(plan: Plan, generation_id: str) -> str:
    """The plan's label, or network and id where no cell shows the generation."""
    if plan.cells_of.get(generation_id):
        return plan.label(generation_id)
    known = plan.generations.get(generation_id)
    return f"{known.network.name} / {generation_id}" if known else generation_id


def generation_note(plan: Plan, generation_id: str, trained: Generation) -> str:
    """Loss, lineage, command and place of a generation; `trained` is itself, or one of its candidates."""
    lines = [
        f"**loss**: {trained.loss.words}",
        *_searched(trained),
        f"**lineage**: {_chain(plan, generation_id)}",
        *_command(plan, generation_id),
        f"**record**: `{_STORE}/generations/{generation_id}` (weights, history, predictions); "
        f"`bansweep show {generation_id} --store {_STORE}`",
    ]
    return "\n\n".join(lines)


def ensemble_note(plan: Plan, members: Sequence[str]) -> str:
    """The members whose mean probabilities are the ensemble."""
    return f"**ensemble**: the mean of the probabilities (Eq. 4) of {', '.join(_linked(plan, members))}"


def with_links(note: str, run_of: Callable[[str], str | None], experiment_id: str, store: Path) -> str:
    """The note with links to the runs that `run_of` knows by generation ids, and with the store's path."""

    def linked(found: re.Match[str]) -> str:
        run_id = run_of(found[1])
        target = "#" if run_id is None else f"#/experiments/{experiment_id}/runs/{run_id}"
        return f']({target} "{found[1]}")'

    path = str(store).replace("`", "")
    return _LINK.sub(linked, note.replace(_STORE, path))[:LONGEST_NOTE]


def characters_left(note: str) -> int:
    """How many characters may be added to a note whose links and store path are not inserted yet."""
    links = len(_LINK.findall(note)) * _LINK_CHARACTERS
    return max(0, LONGEST_NOTE - len(note) - links - _STORE_CHARACTERS)


def _searched(generation: Generation) -> list[str]:
    """The hyperparameters that a search decides, whatever the generation's own values are."""
    if generation.search is None:
        return []
    return ["**searched**: " + ", ".join(f"`{key}`" for key in generation.search.parameters)]


def _chain(plan: Plan, generation_id: str) -> str:
    """The teachers' names, with links to their runs, from the one trained on labels to this generation."""
    *ancestors, _ = plan.lineage(generation_id)
    return " → ".join([*_linked(plan, ancestors), f"**{_plain(name_of(plan, generation_id))}**"])


def _linked(plan: Plan, generation_ids: Sequence[str]) -> list[str]:
    """Names with links to their runs; a long list is shortened to the first and the last ones."""
    named = [f'[{_plain(name_of(plan, one))}](# "{one}")' for one in generation_ids]
    if len(named) > _MOST_LINKS:
        left_out = len(named) - _MOST_LINKS
        named[1 : 1 + left_out] = [f"... {left_out} more ..."]
    return named


def _command(plan: Plan, generation_id: str) -> list[str]:
    """How to train it again; nothing where no cell of the table shows it. Its own store would reuse it."""
    cells = plan.cells_of.get(generation_id)
    if not cells:
        return []
    pattern = shlex.quote(f"{cells[0].row}/{cells[0].column}")
    return [
        f"**again**, in another store: `bansweep run sweep.yaml --only {pattern} --store ANOTHER`, with the sweep's own"
        " `--set` if it had any; `sweep.yaml` is among the artifacts of the run above"
    ]


def _plain(name: str) -> str:
    """A name with Markdown's special characters escaped."""
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", name)
