"""The candidates of a searched generation: generations themselves, with one setting of the hyperparameters each."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Literal, Protocol, get_args

from pydantic import JsonValue

from bansweep.config.base import without_negative_zeros
from bansweep.config.hyperparameters import Choice, Grid, Hyperparameters, drawn, typical_values, with_values
from bansweep.config.sweep import Select, SelectionMetric
from bansweep.graph.generation import Generation, derived_seed

Setting = Mapping[str, JsonValue]
"""Hyperparameters by their keys, such as `recipe.learning_rate`."""

CandidateOutcome = Literal["finished", "pruned", "failed"]
"""What became of a candidate in its search."""

CandidateEnding = CandidateOutcome | Literal["stopped"]
"""How one training of a candidate ended; a `stopped` one resumes another time."""

DRAWS_A_CANDIDATE = 100
"""So often chance may come to settings that were tried before, until there are taken to be no others."""


@dataclass(frozen=True)
class Candidate:
    """`number` counts from 0 within the search; `generation` is what would be trained: it has no search any more."""

    number: int
    setting: Setting
    generation: Generation

    @property
    def id(self) -> str:
        return self.generation.id


def candidate_of(searched: Generation, number: int, setting: Setting) -> Candidate:
    """The candidate of a searched generation with these hyperparameters. It has the generation's seed: all begin alike.

    Its id has what decides its training, and of `select` therefore nothing but what chooses its epoch. Raises
    ValueError where the values are not what a sweep file may say.
    """
    return _candidate(searched, number, without_negative_zeros(setting), _deciding(searched.select))


def former_candidates(searched: Generation, number: int, setting: Setting) -> Iterator[Candidate]:
    """The same candidate under ids that earlier versions gave it, most likely first.

    These had the metric of selection also where it decides nothing, and -0.0 beside 0.0. Raises ValueError as
    `candidate_of`.
    """
    normalised, deciding = without_negative_zeros(setting), _deciding(searched.select)
    selects = [searched.select]
    if deciding != searched.select:
        metrics: tuple[SelectionMetric, ...] = get_args(SelectionMetric)
        selects += [other for metric in metrics if (other := Select(metric=metric)) != searched.select]
    for values in (setting,) if normalised is setting else (normalised, setting):
        for select in selects:
            if values is not normalised or select != deciding:
                yield _candidate(searched, number, values, select)


def _deciding(select: Select) -> Select:
    """What of `select` has a part in a candidate's own training."""
    return select if select.epoch == "best" else Select()


def _candidate(searched: Generation, number: int, setting: Setting, select: Select) -> Candidate:
    changed = with_values(Hyperparameters(searched.network, searched.loss, searched.recipe), setting)
    # Not a copy with changes: that would keep the searched generation's id, which is computed once.
    content = {name: getattr(searched, name) for name in Generation.model_fields}
    generation = Generation(**{**content, **changed._asdict(), "search": None, "select": select})
    return Candidate(number, dict(setting), generation)


def variants(generation: Generation) -> Iterator[Generation]:
    """What may be trained for a generation: itself, or where it is searched typical candidates, one key at a time."""
    if generation.search is None:
        yield generation
        return
    for key, distribution in generation.search.parameters.items():
        for value in typical_values(distribution):
            # What goes only together with other values is no matter here.
            with suppress(ValueError):
                yield candidate_of(generation, 0, {key: value}).generation


@dataclass(frozen=True)
class Told:
    """What a sampler is told of a candidate: its `value` by the metric of selection, lower is better; None: failed."""

    number: int
    setting: Setting
    value: float | None


class Sampler(Protocol):
    """Draws a search's settings one after another. The same calls give the same settings.

    Before the setting with a number is drawn, all that `waits_for` says have been told, in the order of their numbers.
    """

    def waits_for(self, number: int) -> int:
        """How many candidates, the first ones, must have been told before the one with this number is drawn."""
        ...

    def tell(self, told: Told) -> None: ...

    def draw(self, number: int) -> Setting | None:
        """The setting of the next candidate; None where there is no other."""
        ...


class SettingsInAdvance:
    """A sampler that learns nothing: all its settings are known from the beginning."""

    def __init__(self, settings: list[Setting]) -> None:
        self._settings = settings

    def waits_for(self, number: int) -> int:  # noqa: ARG002
        return 0

    def tell(self, told: Told) -> None:
        """Nothing is learnt."""

    def draw(self, number: int) -> Setting | None:
        return self._settings[number] if number < len(self._settings) else None


def settings_in_advance(searched: Generation) -> list[Setting]:
    """The settings of a grid, or as many different random ones as the search has candidates, if there are as many.

    Random ones follow from the generation's seed: in each generation and replica others are tried, and the same ones in
    every row.
    """
    search = searched.search
    assert search is not None
    if search.sampling == "grid":
        lists = [one.values for one in search.parameters.values() if isinstance(one, Grid | Choice)]
        return [dict(zip(search.parameters, point, strict=True)) for point in product(*lists)]
    chance = random.Random(derived_seed(searched.seed, "search"))
    settings: list[Setting] = []
    for _ in range(DRAWS_A_CANDIDATE * search.size):
        if len(settings) == search.size:
            break
        setting = {key: drawn(one, chance) for key, one in search.parameters.items()}
        if setting not in settings:
            settings.append(setting)
    return settings
