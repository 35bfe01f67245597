"""The note on the page of an MLflow run, in Markdown: loss, teachers, and the command to get it again.

What MLflow's page of a run says of a generation or ensemble, in Markdown: its loss, its teachers, how to get it
again. Pure.

A note is written before anybody knows the runs it links to and the store's path. `with_links` puts both in; it may be
applied again to its own result, so that links follow runs that were begun anew.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import assert_never

from bansweep.config.losses import (
    ActivationsLoss,
    CwtmLoss,
    DkppLoss,
    KdLabelsLoss,
    KdLoss,
    LabelsLoss,
    LossSpec,
    UserLoss,
)
from bansweep.formatting import setting_text
from bansweep.graph.generation import Generation
from bansweep.graph.plan import Plan


def name_of(plan: Plan, generation_id: str) -> str:
    """The plan's label, or network and id where no cell shows the generation."""
    if plan.cells_of.get(generation_id):
        return plan.label(generation_id)
    known = plan.generations.get(generation_id)
    return f"{known.network.name} / {generation_id}" if known else generation_id


def loss_in_words(loss: LossSpec) -> str:
    """What the loss compares, without a full stop at the end."""
    match loss:
        case LabelsLoss():
            smoothing = f", smoothed by {setting_text(loss.smoothing)}" if loss.smoothing else ""
            return f"cross-entropy with the labels (Eq. 1){smoothing}"
        case KdLoss():
            return f"cross-entropy with the teacher's probabilities (Eqs. 2 and 3){_temperature(loss.temperature)}"
        case KdLabelsLoss():
            weights = (
                "the sum of"
                if loss.mixing is None
                else f"{setting_text(loss.mixing)} : {setting_text(1 - loss.mixing)} of"
            )
            return (
                f"{weights} cross-entropy with the teacher's probabilities (Eqs. 2 and 3)"
                f"{_temperature(loss.temperature)} and with the labels (Eq. 1)"
            )
        case CwtmLoss(confidence="max"):
            return "cross-entropy with the labels, each sample weighted by the teacher's largest probability (Eq. 10)"
        case CwtmLoss():
            return (
                "cross-entropy with the labels, each sample weighted by the teacher's probability of its label (Eq. 9)"
            )
        case DkppLoss():
            drawn = "drawn anew in every step" if loss.permutation == "fresh" else "drawn once for each sample"
            return (
                "cross-entropy with the teacher's probabilities, those of all but its likeliest class permuted "
                f"(Eq. 11; {drawn})"
            )
        case ActivationsLoss():
            ramp = "" if loss.ramp == "constant" else ", growing from 0 over the epochs"
            return (
                "cross-entropy with the teacher's probabilities (Eqs. 2 and 3) and the mean squared difference of the "
                f"stages' outputs (section 4.1), weighted by {setting_text(loss.weight)}{ramp}"
            )
        case UserLoss():
            return f"the function `{loss.code.name}` of your own"
        case _:
            assert_never(loss)


def _temperature(temperature: float) -> str:
    return "" if temperature == 1 else f" at temperature {setting_text(temperature)}"


LONGEST_NOTE = 5000
"""MLflow before 3 refuses longer tags."""

_MOST_LINKS = 12
_ROOM_FOR_A_LINK = 60  # `#/experiments/NUMBER/runs/ID` where there was `#`
_ROOM_FOR_THE_STORE = 300

# A link's title keeps the generation's id, whatever its target becomes.
_LINK = re.compile(r"\]\(#\S* \"([0-9a-f]{16})\"\)")
_STORE = "{store}"


def generation_note(plan: Plan, generation_id: str, trained: Generation) -> str:
    """Loss, lineage, command and place of a generation; `trained` is itself, or one of its candidates."""
    lines = [
        f"**loss**: {loss_in_words(trained.loss)}",
        *_searched(trained),
        f"**lineage**: {_chain(plan, generation_id)}",
        *_command(plan, generation_id),
        f"**record**: `{_STORE}/generations/{generation_id}` (weights, history, predictions); "
        f"`bansweep show {generation_id} --store {_STORE}`",
    ]
    return "\n\n".join(lines)


def ensemble_note(plan: Plan, members: Sequence[str]) -> str:
    """Whose probabilities an ensemble is the mean of."""
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
    """How many letters may be added to a note that is not at home yet."""
    links = len(_LINK.findall(note)) * _ROOM_FOR_A_LINK
    return max(0, LONGEST_NOTE - len(note) - links - _ROOM_FOR_THE_STORE)


def _searched(generation: Generation) -> list[str]:
    """The hyperparameters that a search decides, whatever the generation's own values are."""
    if generation.search is None:
        return []
    return ["**searched**: " + ", ".join(f"`{key}`" for key in generation.search.parameters)]


def _chain(plan: Plan, generation_id: str) -> str:
    """The teachers' names, with links to their runs, from the one that learnt from labels to this generation."""
    *ancestors, _ = plan.lineage(generation_id)
    return " → ".join([*_linked(plan, ancestors), f"**{_plain(name_of(plan, generation_id))}**"])


def _linked(plan: Plan, generation_ids: Sequence[str]) -> list[str]:
    """Names with links to their runs; of many the first and the last ones."""
    named = [f'[{_plain(name_of(plan, one))}](# "{one}")' for one in generation_ids]
    if len(named) > _MOST_LINKS:
        left_out = len(named) - _MOST_LINKS
        named[1 : 1 + left_out] = [f"... {left_out} more ..."]
    return named


def _command(plan: Plan, generation_id: str) -> list[str]:
    """How to train it again; nothing where no cell of the table shows it. In its own store it would be reused."""
    cells = plan.cells_of.get(generation_id)
    if not cells:
        return []
    pattern = shlex.quote(f"{cells[0].row}/{cells[0].column}")
    return [
        f"**again**, in another store: `bansweep run sweep.yaml --only {pattern} --store ANOTHER`, with the sweep's own"
        " `--set` if it had any; `sweep.yaml` is among the artifacts of the run above"
    ]


def _plain(name: str) -> str:
    """A name in which Markdown finds nothing."""
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", name)
