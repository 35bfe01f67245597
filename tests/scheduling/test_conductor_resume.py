"""A sweep whose driver died, whose budget was spent or whose files are lost goes on from what the store has."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import scheduling.simulation
from scheduling.simulation import EPOCHS, SAME_CANDIDATES, SWEEP, WITHOUT_SEARCH, Simulation, plan_of, winners

from bansweep.graph.candidates import Candidate, Setting, former_candidates
from bansweep.graph.events import CandidateStarted, GenerationFailed, GenerationStopped
from bansweep.graph.generation import Generation
from bansweep.graph.plan import select
from bansweep.scheduling import generation_search, pruning
from bansweep.scheduling.messages import EpochDone, Message
from bansweep.scheduling.schedule import Task
from bansweep.store.progress import Progress
from bansweep.store.records import candidate_in
from bansweep.store.store import Store


@pytest.mark.parametrize("sampler", ["random", "tpe"])
@pytest.mark.parametrize("steps", [3, 11, 24, 40])
def test_a_driver_that_dies_costs_nothing_that_was_saved(
    steps: int, sampler: str, store: Store, tmp_path: Path
) -> None:
    plan = plan_of(SWEEP.replace("candidates: 4", f"candidates: 4\n  sampler: {sampler}\n  parallel: 2"))
    undisturbed = Simulation(plan, Store(tmp_path / "undisturbed"), at_a_time=1)
    undisturbed.run()
    first = Simulation(plan, store, at_a_time=1)
    first.run(steps)
    done = store.finished(plan.generations)
    second = Simulation(plan, store, at_a_time=1)
    second.run()
    assert winners(plan, store) == winners(plan, undisturbed.store)
    assert first.epochs_trained + second.epochs_trained == undisturbed.epochs_trained
    assert not done & {event.generation_id for event in second.events if isinstance(event, CandidateStarted)}


def test_what_a_killed_driver_left_is_removed_by_the_next(store: Store) -> None:
    plan = plan_of()
    Simulation(plan, store).run()
    record = store.record(next(iter(plan.generations)))
    assert record is not None
    store.candidates.save_progress(record.candidates[0].id, Progress(1, b"", ()))
    Simulation(plan, store).run()
    assert store.candidates.everything() == set()


def test_what_a_finished_search_keeps_outlasts_another_search_for_it(store: Store) -> None:
    plan = plan_of(SAME_CANDIDATES)
    _, b = plan.generations
    Simulation(select(plan, ["b"]), store, keep_all=frozenset([b])).run()
    kept = set(store.candidates.ids())
    assert len(kept) == 4
    Simulation(plan, store, keep_all=frozenset([b])).run()
    assert store.finished(plan.generations) == set(plan.generations)
    assert set(store.candidates.ids()) == kept


def test_an_epoch_that_nobody_told_of_is_heard_of_all_the_same(store: Store, tmp_path: Path) -> None:
    plan = plan_of()
    undisturbed = Simulation(plan, Store(tmp_path / "undisturbed"), at_a_time=1)
    undisturbed.run()
    simulation = Simulation(plan, store, at_a_time=1)

    def without_second_epochs(task: Task, message: Message) -> None:
        # As if a process had died between saving its second epoch and reporting it.
        if not (isinstance(message, EpochDone) and message.report.epoch == 2):
            simulation.conductor.handle(task, message)

    simulation.report = without_second_epochs
    simulation.run()
    assert winners(plan, store) == winners(plan, undisturbed.store)


def test_a_winner_whose_files_are_lost_is_trained_again(store: Store, tmp_path: Path) -> None:
    plan = plan_of()
    whole = Store(tmp_path / "whole")
    undisturbed = Simulation(plan, whole, at_a_time=1)
    undisturbed.run()
    teacher = next(iter(plan.generations))
    winner = winners(plan, whole)[teacher][0]
    simulation = Simulation(plan, store, at_a_time=1)

    def damaging(task: Task, message: Message) -> None:
        simulation.conductor.handle(task, message)
        other = store.candidates.directory / "generations"
        is_epoch_of_last = isinstance(message, EpochDone) and task.candidate is not None and task.candidate.number == 3
        if is_epoch_of_last and other.exists():
            for weights in other.rglob("weights.safetensors"):
                weights.write_bytes(b"damaged")

    simulation.report = damaging
    simulation.run()
    record = store.record(teacher)
    assert record is not None
    assert record.winner == winner
    assert store.weights(teacher) == record.trained.id.encode()
    assert simulation.epochs_trained >= undisturbed.epochs_trained + EPOCHS, "a winner was lost"


def test_a_spent_budget_starts_nothing_and_a_larger_one_goes_on(store: Store, tmp_path: Path) -> None:
    plan = plan_of()
    nothing = Simulation(plan, store, limit=0.0)
    nothing.run()
    assert nothing.events == []
    some = Simulation(plan, store, limit=20 / 3600)
    some.run()
    assert some.epochs_trained > 0
    assert some.meter.hours >= 20 / 3600
    assert len(store.finished(plan.generations)) < len(plan.generations)
    assert not [event for event in some.events if isinstance(event, GenerationFailed)]
    rest = Simulation(plan, store)
    rest.run()
    whole = Store(tmp_path / "whole")
    undisturbed = Simulation(plan, whole)
    undisturbed.run()
    assert winners(plan, store) == winners(plan, whole)


def test_stopped_generations_without_a_search_go_on_later(store: Store) -> None:
    plan = plan_of(WITHOUT_SEARCH + "chain: {loss: kd, length: 2}\n")
    some = Simulation(plan, store, limit=6 / 3600)
    some.run()
    assert any(isinstance(event, GenerationStopped) for event in some.events)
    rest = Simulation(plan, store)
    rest.run()
    assert some.epochs_trained + rest.epochs_trained == len(plan.generations) * EPOCHS
    assert store.finished(plan.generations) == set(plan.generations)


ON_THE_CUT = f"""\
{WITHOUT_SEARCH.replace("[wrn-10-1, wrn-16-1]", "[wrn-10-1]")}generations:
  a:
    loss: labels
    search: {{parameters: {{recipe.learning_rate: {{grid: [6, 4, 1, 1.5, 5, 5.5, 3]}}}}, pruner: asha}}
"""


def _on_the_cut(generation: Generation) -> list[float]:
    """The last of the candidates is exactly on the cut after the first epoch, and the best in the end."""
    first = float(int(generation.recipe.learning_rate))
    return [first, *([0.0 if first == 3 else first] * (EPOCHS - 1))]


def _rounded_quantile(value: float, others: list[float], reduction: int) -> bool:
    """The former rule."""
    ordered, position = sorted(others), 1 / reduction * (len(others) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return value > ordered[low] + (position - low) * (ordered[high] - ordered[low])


def test_a_decided_search_keeps_the_winner_of_the_former_rule(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling.simulation, "course", _on_the_cut)
    plan = plan_of(ON_THE_CUT)
    with monkeypatch.context() as former:
        former.setattr(pruning, "_beyond_quantile", _rounded_quantile)
        Simulation(plan, store).run()
    decided = winners(plan, store)
    again = Simulation(plan, store)
    again.run()
    assert again.epochs_trained == 0
    assert winners(plan, store) == decided
    assert [winner for winner, _ in decided.values()] == [3]


@pytest.mark.parametrize("steps", [5, 12, 20])
def test_a_search_under_way_is_decided_by_the_rule_of_now(
    steps: int, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling.simulation, "course", _on_the_cut)
    plan = plan_of(ON_THE_CUT)
    with monkeypatch.context() as former:
        former.setattr(pruning, "_beyond_quantile", _rounded_quantile)
        Simulation(plan, store).run(steps)
    assert not store.finished(plan.generations)
    Simulation(plan, store).run()
    assert [winner for winner, _ in winners(plan, store).values()] == [7]


def _by_setting(generation: Generation) -> list[float]:
    """The validation errors of a training by its learning rate and teacher, whatever its id."""
    chance = random.Random(f"{generation.recipe.learning_rate} {generation.teacher}")
    return [chance.uniform(0, 50) for _ in range(EPOCHS)]


def _former_candidate(searched: Generation, number: int, setting: Setting) -> Candidate:
    """As the version before named it, with the metric of selection in its id."""
    return next(former_candidates(searched, number, setting))


@pytest.mark.parametrize("steps", [3, 11, 24, 40])
def test_candidates_under_former_ids_are_not_trained_again(
    steps: int, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling.simulation, "course", _by_setting)
    plan = plan_of()
    undisturbed = Simulation(plan, Store(tmp_path / "undisturbed"), at_a_time=1)
    undisturbed.run()
    with monkeypatch.context() as former:
        former.setattr(generation_search, "candidate_of", _former_candidate)
        first = Simulation(plan, store, at_a_time=1)
        first.run(steps)
    before = store.candidates.everything()
    assert before
    second = Simulation(plan, store, at_a_time=1)
    second.run()
    assert first.epochs_trained + second.epochs_trained == undisturbed.epochs_trained

    def without_ids(store: Store) -> list[tuple[object, list[dict[str, Any]]]]:
        return [
            (winner, [{**one, "id": ""} for one in candidates]) for winner, candidates in winners(plan, store).values()
        ]

    assert without_ids(store) == without_ids(undisturbed.store)
    recorded = {one["id"] for _, candidates in winners(plan, store).values() for one in candidates}
    assert before <= recorded, "records name candidates as they were trained"
    assert store.candidates.everything() == set(), "candidates of decided searches are removed, whatever their ids"


def test_candidates_of_a_former_record_keep_their_ids(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of()
    with monkeypatch.context() as former:
        former.setattr(generation_search, "candidate_of", _former_candidate)
        Simulation(plan, store).run()
    for generation_id in plan.generations:
        record = store.record(generation_id)
        assert record is not None
        assert [candidate_in(record, one).id for one in record.candidates] == [one.id for one in record.candidates]
        assert record.winner is not None
        assert record.trained.id == record.candidates[record.winner - 1].id
    again = Simulation(plan, store)
    again.run()
    assert again.epochs_trained == 0


def test_a_search_by_another_metric_goes_on_from_the_same_candidates(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling.simulation, "course", _by_setting)
    text = SWEEP.replace("  pruner: asha\n", "  keep: all\n").split("chain:")[0]
    text += "generations: {teacher: {loss: labels}}\nselect: {metric: METRIC}\n"
    first, second = (plan_of(text.replace("METRIC", f"validation_{name}")) for name in ("error", "loss"))
    assert not first.generations.keys() & second.generations.keys()
    Simulation(first, store, keep_all=frozenset(first.generations)).run()
    by_loss = Simulation(second, store, keep_all=frozenset(second.generations))
    by_loss.run()
    assert by_loss.epochs_trained == 0
    assert store.finished(second.generations) == set(second.generations)
