"""What MLflow's pages say of a generation, before and after its links and the store's path are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from bansweep.config.losses import LossSpec
from bansweep.graph.generation import Generation
from bansweep.graph.plan import Cell, Plan
from bansweep.tracking.run_note import LONGEST_NOTE, characters_left, ensemble_note, generation_note, with_links


def note_of(plan: Plan, generation_id: str) -> str:
    return generation_note(plan, generation_id, plan.generations[generation_id])


def test_a_student_says_who_taught_it_and_how_to_train_it_again(sweep: Any) -> None:
    teacher, student = sweep.teacher_id, sweep.student_id
    note = with_links(note_of(sweep.plan, student), {teacher: "1f" * 16}.get, "7", Path("/data/store"))

    assert note.split("\n\n") == [
        "**loss**: cross-entropy with the teacher's probabilities (Eqs. 2 and 3)",
        f'**lineage**: [small / teacher](#/experiments/7/runs/{"1f" * 16} "{teacher}") → **small / ban, ban-1**',
        "**again**, in another store: `bansweep run sweep.yaml --only small/ban --store ANOTHER`, with the sweep's own "
        "`--set` if it had any; `sweep.yaml` is among the artifacts of the run above",
        f"**record**: `/data/store/generations/{student}` (weights, history, predictions); "
        f"`bansweep show {student} --store /data/store`",
    ]


def test_links_follow_runs_that_were_begun_anew(sweep: Any) -> None:
    plain = note_of(sweep.plan, sweep.student_id)
    known = {sweep.teacher_id: "a" * 32}
    unknown = with_links(plain, {}.get, "7", Path("/data"))

    first = with_links(unknown, known.get, "7", Path("/data"))
    second = with_links(first, {sweep.teacher_id: "b" * 32}.get, "7", Path("/data"))

    assert "](# " in unknown
    assert first == with_links(plain, known.get, "7", Path("/data")) == with_links(first, known.get, "7", Path("/data"))
    assert second == first.replace("a" * 32, "b" * 32)


def test_a_generation_that_no_cell_shows_has_no_command(sweep: Any) -> None:
    plan = replace(sweep.plan, cells=sweep.plan.cells[1:])

    assert "--only" not in note_of(plan, sweep.teacher_id)


def test_names_mean_nothing_in_markdown_and_in_shells(sweep: Any) -> None:
    plan = sweep.plan
    odd = replace(plan, rows=("a_b*",), cells=(Cell("a_b*", "t[1]", 0, sweep.teacher_id), *plan.cells[1:]))

    note = note_of(odd, sweep.teacher_id)

    assert r"**lineage**: **a\_b\* / t\[1\]**" in note
    assert "--only 'a_b*/t[1]'" in note


def test_long_chains_fit(sweep: Any) -> None:
    generations = dict(sweep.plan.generations)
    last = generations[sweep.student_id]
    for seed in range(60):
        last = Generation.model_validate({**last.model_dump(), "seed": seed, "teacher": last.id})
        generations[last.id] = last
    cells = tuple(Cell("small", f"ban-{number}", 0, one) for number, one in enumerate(generations))
    plan = replace(sweep.plan, generations=generations, cells=cells)
    plain = note_of(plan, last.id)
    assert characters_left(plain) > 2000

    note = with_links(plain + "x" * characters_left(plain), lambda _: "f" * 32, "123456", Path("/a/store"))

    assert "→ ... 49 more ... →" in note
    assert note.count("](#/experiments/123456/runs/") == 12
    assert len(note) <= LONGEST_NOTE
    assert note.endswith("xx"), "nothing had to be cut"


def test_an_ensemble_names_its_members(sweep: Any) -> None:
    note = with_links(
        ensemble_note(sweep.plan, (sweep.teacher_id, sweep.student_id)),
        {sweep.teacher_id: "1f" * 16, sweep.student_id: "2e" * 16}.get,
        "7",
        Path("/data"),
    )

    assert note == (
        "**ensemble**: the mean of the probabilities (Eq. 4) of "
        f'[small / teacher](#/experiments/7/runs/{"1f" * 16} "{sweep.teacher_id}"), '
        f'[small / ban, ban-1](#/experiments/7/runs/{"2e" * 16} "{sweep.student_id}")'
    )


def test_a_searched_generation_says_what_is_searched(searched_sweep: Any) -> None:
    note = note_of(searched_sweep.plan, searched_sweep.student_id)

    assert "**searched**: `recipe.learning_rate`, `loss.temperature`" in note


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("labels", "with the labels (Eq. 1)"),
        ({"kind": "labels", "smoothing": 0.1}, "(Eq. 1), smoothed by 0.1"),
        ({"kind": "kd", "temperature": 4}, "(Eqs. 2 and 3) at temperature 4"),
        ("kd+labels", "the sum of cross-entropy with the teacher's probabilities (Eqs. 2 and 3) and with the labels"),
        ({"kind": "kd+labels", "mixing": 0.75}, "0.75 : 0.25 of cross-entropy"),
        ("cwtm", "teacher's largest probability (Eq. 10)"),
        ({"kind": "cwtm", "confidence": "label"}, "teacher's probability of its label (Eq. 9)"),
        ({"kind": "dkpp", "permutation": "fixed"}, "(Eq. 11; drawn once for each sample)"),
        ({"kind": "kd+activations", "weight": 0.5, "ramp": "linear"}, "weighted by 0.5, growing from 0"),
    ],
)
def test_losses_have_words_and_equations(loss: Any, words: str) -> None:
    assert words in TypeAdapter[LossSpec](LossSpec).validate_python(loss).words
