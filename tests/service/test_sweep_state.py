"""Events become a state, and the state becomes lines."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from demo_sweep import SWEEP, ids_of, plan_of
from rich.console import Console

from bansweep.graph.candidates import Candidate, candidate_of, settings_in_advance
from bansweep.graph.events import (
    CandidateEnded,
    CandidateEpochFinished,
    CandidateStarted,
    Choice,
    CompileFailure,
    EpochFinished,
    GenerationBlocked,
    GenerationElsewhere,
    GenerationFailed,
    GenerationFinished,
    GenerationNotNeeded,
    GenerationStarted,
    GenerationStopped,
    GenerationUncompiled,
    SweepEvent,
)
from bansweep.graph.results import EpochReport
from bansweep.service.display import Display
from bansweep.service.event_lines import EventLines
from bansweep.service.sweep_state import SweepState
from bansweep.service.sweep_status import metric_text


def report(epoch: int, *, seconds: float = 2.0, at: float = 0.0) -> EpochReport:
    return EpochReport(epoch, 4, seconds, at, {"train_loss": 1.0, "test_error": 12.345, "test_loss": 0.5})


@pytest.fixture
def ids(sweep_file: Path) -> dict[str, str]:
    return ids_of(plan_of(sweep_file))


@pytest.fixture
def state(sweep_file: Path) -> SweepState:
    return SweepState(plan_of(sweep_file), frozenset())


def test_counts_follow_the_events(state: SweepState, ids: dict[str, str]) -> None:
    assert state.counts == "0 of 4 generations done, 4 waiting"
    state.handle(GenerationStarted(ids["teacher"]))
    state.handle(EpochFinished(ids["teacher"], report(1)))
    assert state.counts == "0 of 4 generations done, 1 running, 3 waiting"
    state.handle(GenerationFinished(ids["teacher"]))
    state.handle(GenerationStarted(ids["ban"]))
    state.handle(GenerationFailed(ids["ban"], "the loss became nan"))
    state.handle(GenerationBlocked(ids["ban-2"], ids["ban"]))
    assert state.counts == "1 of 4 generations done, 1 waiting, 1 failed, 1 blocked"
    state.handle(GenerationFinished(ids["cwtm"], reused=True))
    assert state.closing == "1 trained, 1 reused, 1 failed, 1 blocked"


def test_time_left_is_the_median_epoch_times_those_left(state: SweepState, ids: dict[str, str]) -> None:
    state.handle(GenerationStarted(ids["teacher"]))
    assert state.trainings[ids["teacher"]].time_left_s is None
    state.handle(EpochFinished(ids["teacher"], report(1, seconds=50)))
    state.handle(EpochFinished(ids["teacher"], report(2, seconds=3)))
    state.handle(EpochFinished(ids["teacher"], report(3, seconds=2)))
    assert state.trainings[ids["teacher"]].time_left_s == 3


def test_a_process_that_starts_again_goes_on_from_its_epoch(state: SweepState, ids: dict[str, str]) -> None:
    state.handle(GenerationStarted(ids["teacher"]))
    state.handle(EpochFinished(ids["teacher"], report(1)))
    state.handle(GenerationStarted(ids["teacher"], epochs_done=1))
    assert len(state.running) == 1
    assert state.trainings[ids["teacher"]].epochs_done == 1


def searched(sweep_file: Path) -> tuple[SweepState, str, Candidate]:
    plan = plan_of(sweep_file, "data.validation=50", "search={parameters: {loss.smoothing: [0, 0.1]}, sampler: grid}")
    assert plan.generations
    teacher = next(iter(plan.generations))
    generation = plan.generations[teacher]
    return SweepState(plan, frozenset()), teacher, candidate_of(generation, 1, settings_in_advance(generation)[1])


def test_candidates_have_labels_and_outcomes_of_their_own(tmp_path: Path) -> None:
    sweep_file = tmp_path / "one.yaml"
    sweep_file.write_text(SWEEP.split("  ban: ")[0])
    state, teacher, candidate = searched(sweep_file)
    lines = printed(
        state,
        GenerationStarted(teacher),
        CandidateStarted(teacher, candidate, epochs_done=1),
        CandidateEpochFinished(teacher, candidate, report(2, at=100)),
        CandidateEnded(teacher, candidate, "pruned"),
        GenerationFinished(teacher, choice=Choice(candidate, 12.345, {"finished": 1, "pruned": 1})),
    )
    assert lines == [
        "starting  0 of 1 generations done, 1 waiting",
        "started   wrn-10-1 / teacher, a search among 2 candidates",
        "started   wrn-10-1 / teacher, candidate 2 of 2 (smoothing 0.1), goes on after epoch 1",
        "epoch     wrn-10-1 / teacher, candidate 2 of 2: 2/4, test error 12.35 %, 4 s left",
        "pruned    wrn-10-1 / teacher, candidate 2 of 2",
        "finished  wrn-10-1 / teacher: candidate 2 (smoothing 0.1), validation error 12.35 %, the best of 2 "
        "(1 finished, 1 pruned); 1 of 1 generations done",
    ]
    assert state.trainings == {}


def test_what_a_chain_leaves_out_is_neither_waiting_nor_blocked(state: SweepState, ids: dict[str, str]) -> None:
    state.handle(GenerationNotNeeded(ids["ban-2"], cause=ids["ban"]))
    assert state.counts == "0 of 4 generations done, 3 waiting, 1 not needed"
    assert ids["ban-2"] not in state.left
    assert state.closing == "0 trained, 0 reused, 1 not needed"


@pytest.mark.parametrize("end", ["taken over", "reused"])
def test_what_another_process_trains_is_told_and_neither_running_nor_waiting(
    state: SweepState, ids: dict[str, str], end: str
) -> None:
    teacher = ids["teacher"]
    event = GenerationElsewhere(teacher, by="process 7 on gpu-box")
    state.handle(event)

    assert EventLines(state).line(event) == "waits     wrn-10-1 / teacher: process 7 on gpu-box trains it"
    assert EventLines(state, only_ends=True).line(event) is None
    assert state.counts == "0 of 4 generations done, 1 elsewhere, 3 waiting"
    [row] = state.status.rows
    assert (row.generations[0].state, row.generations[0].remark) == ("started", "by process 7 on gpu-box")
    assert teacher in state.left

    state.handle(GenerationStarted(teacher, 3) if end == "taken over" else GenerationFinished(teacher, reused=True))
    assert state.state_of(teacher) == ("training" if end == "taken over" else "in the store")
    assert "elsewhere" not in state.counts


def test_every_generation_is_counted_once_whatever_becomes_of_it(state: SweepState, ids: dict[str, str]) -> None:
    for event in (
        GenerationStarted(ids["teacher"]),
        GenerationStopped(ids["teacher"]),
        GenerationStarted(ids["teacher"], epochs_done=2),
        GenerationFinished(ids["teacher"]),
        GenerationStarted(ids["ban"]),
        GenerationStarted(ids["cwtm"]),
        GenerationFailed(ids["ban"], "no memory"),
        GenerationBlocked(ids["ban-2"], ids["ban"]),
        GenerationFinished(ids["cwtm"]),
    ):
        state.handle(event)
        ended = {*state.trained, *state.reused, *state.failed, *state.blocked, *state.not_needed}
        assert state.left == [one for one in state.plan.generations if one not in ended]
        assert state.waiting == len(set(state.left) - state.running)
    assert state.left == []
    assert state.waiting == 0


def test_what_was_stopped_may_go_on(state: SweepState, ids: dict[str, str]) -> None:
    state.handle(GenerationStarted(ids["teacher"]))
    state.handle(GenerationStopped(ids["teacher"]))
    assert ids["teacher"] in state.left
    assert state.trainings == {}


def printed(state: SweepState, *events: SweepEvent) -> list[str]:
    console = Console(file=io.StringIO(), width=40)
    display = Display(state, console)
    with display.shown():
        for event in events:
            state.handle(event)
            display.handle(event)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_line_an_event_outside_a_terminal(state: SweepState, ids: dict[str, str]) -> None:
    lines = printed(
        state,
        GenerationStarted(ids["teacher"], epochs_done=1),
        EpochFinished(ids["teacher"], report(2, at=100)),
        EpochFinished(ids["teacher"], report(3, at=105)),
        EpochFinished(ids["teacher"], report(4, at=110)),
        GenerationFinished(ids["teacher"]),
        GenerationFailed(ids["ban"], "[red]no[/red] memory"),
        GenerationBlocked(ids["ban-2"], ids["ban"]),
        GenerationFinished(ids["cwtm"], reused=True),
    )
    assert lines[0].startswith("starting  0 of 4 generations done")
    first = next(number for number, line in enumerate(lines) if line.startswith("started"))
    assert lines[first:] == [
        "started   wrn-10-1 / teacher, goes on after epoch 1",
        "epoch     wrn-10-1 / teacher: 2/4, test error 12.35 %, 4 s left",
        "epoch     wrn-10-1 / teacher: 4/4, test error 12.35 %",
        "finished  wrn-10-1 / teacher, test error 12.35 %; 1 of 4 generations done, 3 waiting",
        "failed    wrn-10-1 / ban: [red]no[/red] memory",
        "blocked   wrn-10-1 / ban-2: its ancestor wrn-10-1 / ban failed",
        "finished  wrn-10-1 / cwtm, trained by another process; 2 of 4 generations done, 1 failed, 1 blocked",
    ]


def test_each_cause_of_uncompiled_training_is_told_once_and_each_change(state: SweepState, ids: dict[str, str]) -> None:
    def failure(host: str) -> CompileFailure:
        return CompileFailure(host, "no C compiler was found", "Install gcc and g++ on the nodes, or ...")

    of_network = CompileFailure("a", "RuntimeError: no", "Set resources.compile: false", of_network=True)
    before = state.counts
    lines = printed(
        state,
        GenerationUncompiled(ids["teacher"], failure("a")),
        GenerationUncompiled(ids["cwtm"], failure("b")),
        GenerationUncompiled(ids["ban"], failure("a"), compiled_epochs=3),
        GenerationUncompiled(ids["ban-2"], None, compiled_epochs=1),
        GenerationUncompiled(ids["ban-2"], of_network),
    )
    assert lines[1:] == [
        "warning   torch.compile does not work on a: no C compiler was found; generations train uncompiled (slower). "
        "Install gcc and g++ on the nodes, or ...",
        "changed   wrn-10-1 / ban continues uncompiled after 3 compiled epochs: last bits of its results differ",
        "changed   wrn-10-1 / ban-2 continues uncompiled after 1 compiled epoch: last bits of its results differ",
        "warning   torch.compile cannot compile wrn-10-1 / ban-2 on a: RuntimeError: no; it trains uncompiled "
        "(slower). Set resources.compile: false",
    ]
    assert state.counts == before
    shown_above_a_tree = EventLines(state, only_ends=True).line(GenerationUncompiled(ids["teacher"], failure("a")))
    assert shown_above_a_tree == lines[1]


@pytest.mark.parametrize(
    ("metrics", "text"),
    [
        ({"train_loss": 1.0, "test_loss": 0.5, "test_error": 12.345}, "test error 12.35 %"),
        ({"train_loss": 5.0, "validation_loss": 4.8, "validation_perplexity": 123.41}, "validation perplexity 123.41"),
        ({"train_loss": 2.0}, "loss 2.000"),
    ],
)
def test_an_epoch_is_judged_by_its_metric(metrics: dict[str, float], text: str) -> None:
    assert metric_text(EpochReport(1, 4, 2.0, 0.0, metrics)) == text
