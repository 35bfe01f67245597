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

MAX_DRAWS = 100
"""After this many draws of settings that were tried before, there are assumed to be no others."""

Setting = Mapping[str, JsonValue]
"""Hyperparameters by their keys, such as `recipe.learning_rate`."""

CandidateOutcome = Literal["finished", "pruned", "failed"]
"""What became of a candidate in its search."""

CandidateEnding = CandidateOutcome | Literal["stopped"]
"""How one training of a candidate ended; a `stopped` one resumes later."""


@dataclass(frozen=True)
class Candidate:
    """`number` counts from 0 within the search; `generation` is what would be trained: it has no search."""

    number: int
    setting: Setting
    generation: Generation

    @property
    def id(self) -> str:
        return self.generation.id


def candidate_of(searched: Generation, number: int, setting: Setting) -> Candidate:
    """The candidate of a searched generation with these hyperparameters and the generation's seed: all begin alike.

    Its id depends on what decides its training, and so on `select` only if that chooses its epoch. Raises ValueError
    for values that a sweep file may not have.
    """
    return _candidate(searched, number, without_negative_zeros(setting), _effective_select(searched.select))


def former_candidates(searched: Generation, number: int, setting: Setting) -> Iterator[Candidate]:
    """The same candidate under ids that earlier versions gave it, most likely first.

    These included the selection metric even if it decides nothing, and distinguished -0.0 from 0.0. Raises ValueError
    as `candidate_of`.
    """
    normalised, effective = without_negative_zeros(setting), _effective_select(searched.select)
    selects = [searched.select]
    if effective != searched.select:
        metrics: tuple[SelectionMetric, ...] = get_args(SelectionMetric)
        selects += [other for metric in metrics if (other := Select(metric=metric)) != searched.select]
    for values in (setting,) if normalised is setting else (normalised, setting):
        for select in selects:
            if values is not normalised or select != effective:
                yield _candidate(searched, number, values, select)


def _effective_select(select: Select) -> Select:
    """The part of `select` that acts on a candidate's training."""
    return select if select.epoch == "best" else Select()


def _candidate(searched: Generation, number: int, setting: Setting, select: Select) -> Candidate:
    changed = with_values(Hyperparameters(searched.network, searched.loss, searched.recipe), setting)
    # Not a copy with changes: that would keep the searched generation's id, which is computed once.
    content = {name: getattr(searched, name) for name in Generation.model_fields}
    generation = Generation(**{**content, **changed._asdict(), "search": None, "select": select})
    return Candidate(number, dict(setting), generation)


def variants(generation: Generation) -> Iterator[Generation]:
    """What may be trained for a generation: itself, or for a searched one typical candidates, one key at a time."""
    if generation.search is None:
        yield generation
        return
    for key, distribution in generation.search.parameters.items():
        for value in typical_values(distribution):
            # A value that is valid only with certain others is skipped.
            with suppress(ValueError):
                yield candidate_of(generation, 0, {key: value}).generation


@dataclass(frozen=True)
class Observation:
    """A candidate's result for a sampler: its `value` by the selection metric, lower is better; None: it failed."""

    number: int
    setting: Setting
    value: float | None


class Sampler(Protocol):
    """Draws a search's settings one after another. The same calls give the same settings.

    Before a setting is drawn, `tell` has been called for the candidates that `waits_for` asks for, in their order.
    """

    def waits_for(self, number: int) -> int:
        """How many candidates, from the first, must be observed before the one with this number is drawn."""
        ...

    def tell(self, observation: Observation) -> None: ...

    def draw(self, number: int) -> Setting | None:
        """The setting of the next candidate; None if there is no other."""
        ...


class SettingsInAdvance:
    """A sampler that learns nothing: all its settings are known from the beginning."""

    def __init__(self, settings: list[Setting]) -> None:
        self._settings = settings

    def waits_for(self, number: int) -> int:  # noqa: ARG002
        return 0

    def tell(self, observation: Observation) -> None:
        """Does nothing: the settings are fixed."""

    def draw(self, number: int) -> Setting | None:
        return self._settings[number] if number < len(self._settings) else None


def settings_in_advance(searched: Generation) -> list[Setting]:
    """The settings of a grid, or different random ones: as many as the search has candidates, if there are as many.

    Random ones follow from the generation's seed: they differ between generations and replicas, and are the same in
    every row.
    """
    search = searched.search
    assert search is not None
    if search.sampling == "grid":
        lists = [one.values for one in search.parameters.values() if isinstance(one, Grid | Choice)]
        return [dict(zip(search.parameters, point, strict=True)) for point in product(*lists)]
    chance = random.Random(derived_seed(searched.seed, "search"))
    settings: list[Setting] = []
    for _ in range(MAX_DRAWS * search.size):
        if len(settings) == search.size:
            break
        setting = {key: drawn(one, chance) for key, one in search.parameters.items()}
        if setting not in settings:
            settings.append(setting)
    return settings
