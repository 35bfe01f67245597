"""Optuna's tree-structured Parzen estimator, through Ray Tune's integration of it, as a search's sampler."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from pydantic import JsonValue

from bansweep.config.hyperparameters import AnyDistribution, Choice, Grid, Int, LogUniform, Uniform
from bansweep.graph.candidates import (
    MAX_DRAWS,
    Observation,
    Sampler,
    Setting,
    SettingsInAdvance,
    settings_in_advance,
)
from bansweep.graph.generation import Generation, derived_seed

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_VALUE = "value"
# Candidates are drawn at random until this many results are known; 10 is Optuna's default.
_MOST_RANDOM = 10


def sampler_of(searched: Generation) -> Sampler:
    """The sampler that a searched generation asks for."""
    assert searched.search is not None
    return (
        TpeSampler(searched) if searched.search.sampling == "tpe" else SettingsInAdvance(settings_in_advance(searched))
    )


class TpeSampler:
    """Draws each candidate from the results of those before it, except the last `parallel` - 1.

    So the number of candidates that train at a time does not change what is drawn.
    """

    def __init__(self, searched: Generation) -> None:
        assert searched.search is not None
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from ray.tune.search.optuna import OptunaSearch

            self._random = min(_MOST_RANDOM, max(1, searched.search.size // 3))
            self._parallel = searched.search.parallel
            self._distributions = searched.search.parameters
            self._optuna = OptunaSearch(
                space={key: _for_optuna(one) for key, one in self._distributions.items()},
                metric=_VALUE,
                mode="min",
                sampler=optuna.samplers.TPESampler(
                    seed=derived_seed(searched.seed, "search") % 2**32, n_startup_trials=self._random
                ),
            )
        self._drawn: list[Setting] = []

    def waits_for(self, number: int) -> int:
        return 0 if number < self._random else max(0, number - self._parallel + 1)

    def tell(self, observation: Observation) -> None:
        result = None if observation.value is None else {_VALUE: observation.value}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._optuna.on_trial_complete(_name(observation.number), result, error=result is None)

    def draw(self, number: int) -> Setting | None:
        for attempt in range(MAX_DRAWS):
            name = _name(number) if attempt == 0 else f"{_name(number)} again {attempt}"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                point = self._optuna.suggest(name) or {}
            setting = {key: self._value(key, point[key]) for key in self._distributions}
            if setting not in self._drawn:
                self._drawn.append(setting)
                return setting
        return None

    def _value(self, key: str, drawn: float) -> JsonValue:
        distribution = self._distributions[key]
        return distribution.values[int(drawn)] if isinstance(distribution, Grid | Choice) else drawn


def _name(number: int) -> str:
    return f"candidate {number}"


def _for_optuna(distribution: AnyDistribution) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match distribution:
        case Grid() | Choice():
            # Optuna chooses among plain values; ours may be mappings.
            return CategoricalDistribution(range(len(distribution.values)))
        case Int():
            return IntDistribution(distribution.low, distribution.high)
        case LogUniform():
            return FloatDistribution(distribution.low, distribution.high, log=True)
        case Uniform():
            return FloatDistribution(distribution.low, distribution.high)
