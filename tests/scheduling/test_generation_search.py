"""A search's course and its end depend on what candidates reach, not on when they do."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bansweep.config.reading import parse_sweep
from bansweep.config.recipes import RECIPES
from bansweep.config.sweep import Select
from bansweep.data.fingerprint import data_identity
from bansweep.graph.candidates import (
    Candidate,
    Observation,
    Setting,
    SettingsInAdvance,
    candidate_of,
    former_candidates,
    settings_in_advance,
    variants,
)
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity, Generation
from bansweep.graph.results import EpochReport
from bansweep.scheduling.generation_search import GenerationSearch

EPOCHS = 6


def searched(search: dict[str, object], *, seed: int = 7, epoch: str = "last") -> Generation:
    return Generation.model_validate(
        {
            "network": "wrn-10-1",
            "loss": "kd",
            "recipe": {**RECIPES["wide-resnet"], "epochs": EPOCHS},
            "data": DataIdentity(kind="digits", fingerprint="f", validation=100),
            "precision": "fp32",
            "seed": seed,
            "generation_index": 1,
            "teacher": "t",
            "search": search,
            "select": {"metric": "validation_error", "epoch": epoch},
        }
    )


RANDOM = {
    "parameters": {"recipe.learning_rate": {"loguniform": [0.01, 1.0]}, "loss.temperature": [1, 2, 4]},
    "candidates": 5,
    "pruner": "asha",
}


def report(epoch: int, error: float) -> EpochReport:
    return EpochReport(epoch, EPOCHS, 1.0, 0.0, {"validation_error": error})


def errors_of(candidate: Candidate, chance_seed: int) -> list[float]:
    chance = random.Random(f"{chance_seed} {candidate.number}")
    return [chance.uniform(0, 50) for _ in range(EPOCHS)]


def played(generation: Generation, order: random.Random, chance_seed: int, at_a_time: int) -> GenerationSearch:
    """The search trained in a random order, so many candidates at a time."""
    search = GenerationSearch(generation, SettingsInAdvance(settings_in_advance(generation)))
    running: dict[int, tuple[Candidate, int]] = {}
    while True:
        while len(running) < at_a_time and (candidate := search.take()) is not None:
            running[candidate.number] = candidate, 0
        if not running:
            assert search.decided
            return search
        number = order.choice(list(running))
        candidate, epochs = running[number]
        search.record(number, report(epochs + 1, errors_of(candidate, chance_seed)[epochs]))
        running[number] = candidate, epochs + 1
        # A training may notice a request to stop some epochs later.
        stops = candidate in search.pruned and order.random() < 0.5
        if stops or epochs + 1 == EPOCHS:
            search.end(number)
            del running[number]


@given(order=st.randoms(use_true_random=False), chance_seed=st.integers(0, 10), at_a_time=st.integers(1, 5))
@settings(deadline=None, max_examples=60)
def test_every_order_of_training_ends_alike(order: random.Random, chance_seed: int, at_a_time: int) -> None:
    one = played(searched(RANDOM), order, chance_seed, at_a_time)
    other = played(searched(RANDOM), random.Random(0), chance_seed, 1)
    assert one.results == other.results
    assert one.winner == other.winner


def test_the_winner_is_the_best_of_those_that_came_to_the_end() -> None:
    search = played(searched(RANDOM), random.Random(1), 3, 2)
    finished = [result for result in search.results if result.outcome == "finished"]
    assert 0 < len(finished) < len(search.results), "an example in which some are pruned"
    assert search.winner is not None
    assert search.winner.value == min(result.history[-1].metrics["validation_error"] for result in finished)
    for result in search.results:
        if result.outcome == "pruned":
            assert len(result.history) < EPOCHS


def test_the_best_epoch_counts_where_it_is_asked_for() -> None:
    generation = searched({"parameters": {"loss.temperature": {"grid": [1, 2]}}}, epoch="best")
    search = GenerationSearch(generation, SettingsInAdvance(settings_in_advance(generation)))
    courses = {0: [9, 8, 3, 8, 8, 5], 1: [9, 8, 4, 4, 4, 4]}
    for number, errors in courses.items():
        assert search.take() is not None
        for epoch, error in enumerate(errors, start=1):
            search.record(number, report(epoch, error))
        search.end(number)
    assert search.winner is not None
    assert (search.winner.candidate.number, search.winner.epoch, search.winner.value) == (0, 3, 3)


def test_those_that_fail_cannot_win_and_with_all_of_them_nobody_does() -> None:
    generation = searched({"parameters": {"loss.temperature": {"grid": [1, 2]}}})
    search = GenerationSearch(generation, SettingsInAdvance(settings_in_advance(generation)))
    for number in range(2):
        assert search.take() is not None
        search.record(number, report(1, 1.0))
        assert not search.decided
        search.end(number, failure="diverged")
    assert search.decided
    assert [result.outcome for result in search.results] == ["failed", "failed"]
    assert search.winner is None


def test_what_was_trained_before_is_not_trained_again() -> None:
    generation = searched(RANDOM)
    whole = played(generation, random.Random(2), 3, 1)
    histories = {result.candidate.id: result.history for result in whole.results}
    # The first two ended, the third was in its second epoch.
    numbers = {result.candidate.id: result.candidate.number for result in whole.results}

    def known(candidate: Candidate) -> tuple[tuple[EpochReport, ...], bool]:
        number, history = numbers.get(candidate.id, EPOCHS), histories.get(candidate.id, ())
        if number < 2:
            return history, len(history) == EPOCHS
        return (history[:1], False) if number == 2 else ((), False)

    search = GenerationSearch(generation, SettingsInAdvance(settings_in_advance(generation)), known)
    first = search.take()
    assert first is not None
    assert first.number >= 2
    while first is not None:
        course = errors_of(first, 3)
        for epoch in range(1, EPOCHS + 1):
            if first.number != 2 or epoch > 1:
                search.record(first.number, report(epoch, course[epoch - 1]))
        search.end(first.number)
        first = search.take()
    assert search.decided
    assert search.results == whole.results


def test_a_sampler_that_learns_hears_of_candidates_in_their_order() -> None:
    class Learning:
        def __init__(self) -> None:
            self.observations: list[Observation] = []

        def waits_for(self, number: int) -> int:
            return max(0, number - 1)

        def tell(self, observation: Observation) -> None:
            self.observations.append(observation)

        def draw(self, number: int) -> Setting | None:
            return {"loss.temperature": 1 + number}

    sampler = Learning()
    generation = searched({"parameters": {"loss.temperature": {"uniform": [1, 9]}}, "candidates": 3})
    search = GenerationSearch(generation, sampler)
    assert search.take() is not None
    assert search.take() is not None
    assert search.take() is None, "the third one waits for the first"
    for number in (1, 0):
        for epoch in range(1, EPOCHS + 1):
            search.record(number, report(epoch, 10.0 + number))
        search.end(number)
    assert search.take() is not None
    assert [observation.number for observation in sampler.observations] == [0]
    assert not search.decided


def test_random_settings_follow_from_the_seed() -> None:
    again, other = settings_in_advance(searched(RANDOM)), settings_in_advance(searched(RANDOM, seed=8))
    assert settings_in_advance(searched(RANDOM)) == again
    assert again != other
    assert len(again) == 5
    assert all(0.01 <= float(str(one["recipe.learning_rate"])) <= 1 for one in again)
    assert settings_in_advance(searched({**RANDOM, "candidates": 9}))[:5] == again, "more of them begin with the same"


def test_a_small_space_has_no_candidate_twice() -> None:
    few = {"parameters": {"loss.temperature": {"choice": [1, 2]}}, "candidates": 10, "sampler": "random"}
    assert sorted(str(one) for one in settings_in_advance(searched(few))) == [
        "{'loss.temperature': 1}",
        "{'loss.temperature': 2}",
    ]


def test_a_grid_has_every_point_once() -> None:
    grid = {"parameters": {"loss.temperature": {"grid": [1, 2]}, "recipe.batch_size": {"grid": [8, 16, 32]}}}
    points = settings_in_advance(searched(grid))
    assert len(points) == 6
    assert points[1] == {"loss.temperature": 1, "recipe.batch_size": 16}


def test_a_candidate_is_a_generation_of_its_own() -> None:
    generation = searched(RANDOM)
    assert generation.id, "computed once, and not to be handed on"
    candidate = candidate_of(generation, 0, {"recipe.learning_rate": 0.5, "loss.temperature": 2})
    assert candidate.generation.search is None
    assert candidate.generation.recipe.learning_rate == 0.5
    assert candidate.generation.seed == generation.seed
    assert candidate.id != generation.id
    with pytest.raises(ValueError, match="learning_rate"):
        candidate_of(generation, 0, {"recipe.learning_rate": -1})


def test_a_setting_that_cannot_be_is_a_candidate_that_failed() -> None:
    generation = searched({"parameters": {"loss.temperature": {"grid": [-1, 2]}}})
    search = GenerationSearch(generation, SettingsInAdvance(settings_in_advance(generation)))
    candidate = search.take()
    assert candidate is not None
    assert candidate.number == 1
    for epoch in range(1, EPOCHS + 1):
        search.record(1, report(epoch, 5.0))
    search.end(1)
    assert [result.outcome for result in search.results] == ["failed", "finished"]
    assert "temperature" in search.results[0].reason


def test_what_may_be_trained_for_a_generation() -> None:
    generation = searched({"parameters": {"recipe.batch_size": {"choice": [16, 64]}}, "candidates": 2})
    assert [one.recipe.batch_size for one in variants(generation)] == [16, 64]
    alone = next(iter(variants(generation)))
    assert list(variants(alone)) == [alone]


def test_the_metric_of_selection_is_part_of_a_candidates_id_only_where_it_chooses_the_epoch() -> None:
    setting = {"loss.temperature": 2}

    def ids(metric: str, epoch: str) -> str:
        generation = searched(RANDOM, epoch=epoch)
        select = Select.model_validate({"metric": metric, "epoch": epoch})
        return candidate_of(Generation(**{**dict(generation), "select": select}), 0, setting).id

    assert ids("validation_error", "last") == ids("validation_loss", "last")
    assert ids("validation_error", "best") != ids("validation_loss", "best")


def test_former_ids_of_candidates_are_known() -> None:
    """Ids that the version before the normalisation gave candidates, by the metric of selection and the value."""
    sweep = """\
name: whole
data: {kind: digits, validation: 100}
recipe: {base: wide-resnet, epochs: 2}
networks: [wrn-10-1]
generations: {teacher: {loss: labels}}
search: {parameters: {recipe.weight_decay: [-0.0, 0.1]}, candidates: 2}
"""
    former = {
        ("validation_error", -0.0): "732811fd388d5145",
        ("validation_error", 0.1): "43dc6d9cb205cf49",
        ("validation_loss", -0.0): "4567cd28fb39e47a",
        ("validation_loss", 0.1): "67841616cda35c3d",
    }
    for (metric, value), expected in former.items():
        spec = parse_sweep(sweep, [f"select.metric={metric}"])
        (generation,) = expand(spec, data_identity(spec.data)).generations.values()
        known = [one.id for one in former_candidates(generation, 0, {"recipe.weight_decay": value})]
        assert expected in known
        assert len(known) == len(set(known))
        assert candidate_of(generation, 0, {"recipe.weight_decay": value}).id not in known


def test_a_search_goes_on_from_candidates_under_former_ids() -> None:
    generation = searched(RANDOM)
    whole = played(generation, random.Random(2), 3, 1)
    stored: dict[str, tuple[tuple[EpochReport, ...], bool]] = {}
    for result in whole.results:
        former = next(former_candidates(generation, result.candidate.number, result.candidate.setting))
        assert former.id != result.candidate.id
        stored[former.id] = result.history, len(result.history) == EPOCHS
    search = GenerationSearch(
        generation,
        SettingsInAdvance(settings_in_advance(generation)),
        lambda candidate: stored.get(candidate.id, ((), False)),
    )
    assert search.take() is None, "nothing is left to train"
    assert search.decided
    assert search.candidate_ids == stored.keys()
    assert search.winner is not None
    assert whole.winner is not None
    assert search.winner.candidate.number == whole.winner.candidate.number


def test_the_normalised_id_of_a_candidate_is_preferred_to_a_former_one_with_no_more_epochs() -> None:
    generation = searched(RANDOM)
    (setting, *_) = settings_in_advance(generation)
    candidate = candidate_of(generation, 0, setting)
    first, second, *_ = former_candidates(generation, 0, setting)
    epochs = tuple(report(epoch, 1.0) for epoch in (1, 2, 3))

    def taken(stored: dict[str, int]) -> str:
        search = GenerationSearch(
            generation,
            SettingsInAdvance([setting]),
            lambda one: (epochs[: stored.get(one.id, 0)], False),
        )
        one = search.take()
        assert one is not None
        assert search.epochs_recorded(0) == max(stored.values(), default=0)
        return one.id

    assert taken({}) == candidate.id
    assert taken({candidate.id: 2, first.id: 2}) == candidate.id
    assert taken({candidate.id: 1, second.id: 3}) == second.id
