"""A running sweep's tree, as text."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from demo_sweep import SWEEP, ids_of, plan_of
from rich.console import Console

from bansweep.graph.candidates import candidate_of, settings_in_advance
from bansweep.graph.events import (
    CandidateEpochFinished,
    CandidateStarted,
    EpochFinished,
    GenerationBlocked,
    GenerationFailed,
    GenerationFinished,
    GenerationStarted,
)
from bansweep.graph.results import EpochReport
from bansweep.service.sweep_state import SweepState
from bansweep.service.tree import ProgressTree


def report(epoch: int) -> EpochReport:
    return EpochReport(epoch, 4, 2.0, 0.0, {"train_loss": 1.0, "test_error": 12.5})


def drawn(state: SweepState, *, width: int = 100, height: int = 40) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    console.print(ProgressTree(state.status, clock=lambda: state.status.at))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    assert len([line for line in lines if line.strip()]) <= height
    return [line.rstrip() for line in lines if line.strip()]


@pytest.fixture
def state(sweep_file: Path) -> SweepState:
    return SweepState(plan_of(sweep_file), frozenset())


@pytest.fixture
def ids(sweep_file: Path) -> dict[str, str]:
    return ids_of(plan_of(sweep_file))


def test_columns_stand_below_their_row_with_what_they_do(state: SweepState, ids: dict[str, str]) -> None:
    state.handle(GenerationStarted(ids["teacher"]))
    state.handle(EpochFinished(ids["teacher"], report(4)))
    state.handle(GenerationFinished(ids["teacher"]))
    state.handle(GenerationStarted(ids["ban"]))
    state.handle(EpochFinished(ids["ban"], report(1)))
    state.handle(GenerationFailed(ids["cwtm"], "the loss became nan\n  lower it"))
    assert drawn(state) == [
        "wrn-10-1",
        "  teacher  finished          test error 12.50 %",
        "  ban      ━━━━────────────  epoch 1/4  test error 12.50 %  2 s an epoch  6 s left",
        "  cwtm     failed            the loss became nan",
        "  ban-2    waiting",
        "1 of 4 generations done, 1 running, 1 waiting, 1 failed; about 14 s left",
    ]


def test_a_narrow_terminal_leaves_bars_out(state: SweepState, ids: dict[str, str]) -> None:
    state.handle(GenerationStarted(ids["teacher"]))
    state.handle(EpochFinished(ids["teacher"], report(2)))
    lines = drawn(state, width=60)
    assert lines[1] == "  teacher  epoch 2/4  test error 12.50 %  4 s left"


def test_what_does_not_fit_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    rows = ", ".join(f"wrn-{depth}-{width}" for depth in (10, 16, 22) for width in (1, 2, 3, 4))
    path.write_text(SWEEP.replace("wrn-10-1", rows))
    plan = plan_of(path)
    state = SweepState(plan, frozenset())
    first = plan.cells[0].generation_id
    state.handle(GenerationStarted(first))
    assert len(drawn(state, height=100)) == 12 * 5 + 1
    lines = drawn(state, height=20)
    assert lines[:3] == [
        "wrn-10-1   3 waiting",
        "  teacher  ────────────────  epoch 0/4",
        "wrn-10-2   4 waiting",
    ]
    assert lines[-1] == "0 of 48 generations done, 1 running, 47 waiting"
    assert len(lines) == 14
    assert drawn(state, height=8)[1:3] == [
        "  teacher      ────────────────  epoch 0/4",
        "11 other rows  44 waiting",
    ]


def test_candidates_stand_below_their_generation(tmp_path: Path) -> None:
    path = tmp_path / "searched.yaml"
    search = "search: {parameters: {recipe.learning_rate: [0.1, 0.2]}, sampler: grid}\n"
    path.write_text(SWEEP.replace("test_limit: 100", "test_limit: 100, validation: 50") + search)
    plan = plan_of(path)
    state = SweepState(plan, frozenset())
    teacher = ids_of(plan)["teacher"]
    generation = plan.generations[teacher]
    assert generation.search is not None
    settings = list(settings_in_advance(generation))
    candidate = candidate_of(generation, 1, settings[1])
    state.handle(GenerationStarted(teacher))
    state.handle(CandidateStarted(teacher, candidate))
    state.handle(CandidateEpochFinished(teacher, candidate, report(3)))
    lines = drawn(state)
    assert lines[1] == "  teacher        searching         0 of 2 through"
    assert lines[2].startswith("    candidate 2  ━━━━━━━━━━━━────  epoch 3/4  test error 12.50 %")


def test_states_are_told_apart(state: SweepState, ids: dict[str, str], sweep_file: Path) -> None:
    state.handle(GenerationFailed(ids["ban"], "no"))
    state.handle(GenerationBlocked(ids["ban-2"], ids["ban"]))
    state.handle(GenerationFinished(ids["cwtm"], reused=True))
    assert [state.state_of(ids[name]) for name in ("teacher", "ban", "ban-2", "cwtm")] == [
        "waiting",
        "failed",
        "blocked",
        "in the store",
    ]
    assert SweepState(plan_of(sweep_file), frozenset(ids.values())).state_of(ids["ban"]) == "in the store"
