"""The tree that another terminal sees: what a store tells."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from demo_sweep import ids_of, plan_of
from made_up_generation import publish_made_up
from rich.console import Console

from bansweep.graph.results import EpochReport
from bansweep.service.generation_states import generation_states
from bansweep.service.request import sweep_request
from bansweep.service.stored_status import stored_status
from bansweep.service.tree import ProgressTree
from bansweep.store.progress import Progress
from bansweep.store.store import Store


def drawn(sweep_file: Path, store: Store, *overrides: str) -> list[str]:
    request = sweep_request(sweep_file, str(store.directory), list(overrides), None, rehearse=False)
    progress = stored_status(request, generation_states(request.plan, request.store))
    console = Console(file=io.StringIO(), width=110, height=40, force_terminal=True, color_system=None)
    console.print(ProgressTree(progress, clock=lambda: progress.at))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_it_shows_what_is_finished_how_far_others_are_and_what_is_left(sweep_file: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    plan = plan_of(sweep_file)
    ids = ids_of(plan)
    # 4 epochs of 10 s; every epoch of a student is a pass over 256 images longer than 3 passes over 256 and one of 100.
    publish_made_up(
        store, plan.generations[ids["teacher"]], training_seconds=40.0, metrics={"test_loss": 1.0, "test_error": 4.5}
    )
    history = (EpochReport(1, 4, 1.0, 1.0, {"train_loss": 1.0}),)
    store.save_progress(ids["ban"], Progress(1, b"", history))
    student_s = 10 * (4 * 256 * 4 + 5 * 100) / (3 * 256 * 4 + 5 * 100)
    # Three epochs of ban, then four of ban-2.
    assert 7 * student_s == pytest.approx(90.07, abs=0.01)
    assert drawn(sweep_file, store) == [
        "wrn-10-1",
        "  teacher  finished          test error 4.50 %",
        "  ban      ━━━━────────────  epoch 1/4",
        "  cwtm     waiting",
        "  ban-2    waiting",
        "demo: 1 finished, 1 started, 2 waiting; at least 1 min 30 s left",
    ]


def test_a_search_tells_how_many_candidates_are_through(sweep_file: Path, tmp_path: Path) -> None:
    search = ("data.validation=50", "search={parameters: {recipe.learning_rate: [0.1, 0.2]}, sampler: grid}")
    store = Store(tmp_path / "store")
    teacher = ids_of(plan_of(sweep_file, *search))["teacher"]
    store.save_search_counts(teacher, {"finished": 1, "running": 1})
    lines = drawn(sweep_file, store, *search)
    assert lines[1] == "  teacher  started  1 of 2 candidates through (1 finished), 1 begun"
    assert lines[-1] == "demo: 0 finished, 1 started, 3 waiting", "nothing tells how long an epoch takes"
