"""How long a sweep will still take: the time of its longest chain, or all its work divided by what runs at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from bansweep.graph.generation import Generation
from bansweep.graph.plan import Plan
from bansweep.graph.workload import DataSize, TeacherStorage, training_operations


def sweep_time_left(
    plan: Plan,
    epochs_left: Mapping[str, Sequence[int]],
    epoch_seconds: Mapping[str, float],
    *,
    at_a_time: int,
) -> float | None:
    """Seconds: max(critical path, work / `at_a_time`); None if the seconds of an epoch are unknown for a generation.

    `epochs_left` has the unfinished generations, and the epochs left of each of their trainings: of one, or, if a
    generation is searched, of all unfinished candidates. `epoch_seconds` is the duration of an epoch of each.
    The critical path is the slowest chain of generations, of each its longest training, or all its trainings divided
    by how many of them run at a time.
    """
    if any(generation_id not in epoch_seconds for generation_id, trainings in epochs_left.items() if sum(trainings)):
        return None
    at_a_time = max(1, at_a_time)
    work = 0.0
    longest: dict[str, float] = {}
    for generation_id, generation in plan.generations.items():
        trainings = epochs_left.get(generation_id, ())
        seconds = epoch_seconds.get(generation_id, 0.0)
        work += sum(trainings) * seconds
        epochs = max(max(trainings, default=0), sum(trainings) / min(at_a_time, _side_by_side(generation)))
        longest[generation_id] = epochs * seconds
    return max(max(plan.summed_with_teachers(longest).values(), default=0.0), work / at_a_time)


def _side_by_side(generation: Generation) -> float:
    """How many of a generation's trainings may run at a time: candidates that learn from each other are bounded."""
    search = generation.search
    return search.parallel if search is not None and search.sampling == "tpe" else float("inf")


def epoch_operations(plan: Plan, data: DataSize | None, storage: TeacherStorage) -> dict[str, float]:
    """Multiply-adds of an epoch of each generation, as far as they are known: the relative cost of epochs."""
    if data is None:
        return {}
    counted: dict[object, float | None] = {}
    operations: dict[str, float] = {}
    for generation_id, generation in plan.generations.items():
        teacher = None if generation.teacher is None else plan.generations[generation.teacher].network
        kind = (generation.network, generation.loss, generation.recipe, teacher)
        if kind not in counted:  # replicas share the result: there may be thousands
            whole = training_operations(generation, teacher, data, storage)
            counted[kind] = None if whole is None else whole / generation.recipe.epochs
        if (one := counted[kind]) is not None:
            operations[generation_id] = one
    return operations


def epoch_seconds(plan: Plan, measured: Mapping[str, float], operations: Mapping[str, float]) -> dict[str, float]:
    """Seconds of an epoch of each generation: as measured, else from others' measured seconds and the cost of both.

    `measured` has the generations whose epochs were timed. The others are estimated from those of the same network and
    loss, else of the same network, else from all: by the median of seconds for a multiply-add, or, if operations are
    not known, by the median of seconds, which only the same network gives.
    """
    pace = _Pace(plan, measured, operations)
    found = {generation_id: pace.of(generation_id) for generation_id in plan.generations}
    return {generation_id: seconds for generation_id, seconds in found.items() if seconds is not None}


class _Pace:
    """Medians over what was measured, each computed once."""

    def __init__(self, plan: Plan, measured: Mapping[str, float], operations: Mapping[str, float]) -> None:
        self._plan = plan
        self._measured = measured
        self._operations = operations
        seconds: dict[object, list[float]] = {}
        rates: dict[object, list[float]] = {}
        for generation_id, one in measured.items():
            for alike in self._groups(plan.generations[generation_id]):
                seconds.setdefault(alike, []).append(one)
                if operations.get(generation_id):
                    rates.setdefault(alike, []).append(one / operations[generation_id])
        self._seconds = {alike: median(values) for alike, values in seconds.items()}
        self._rates = {alike: median(values) for alike, values in rates.items()}

    def of(self, generation_id: str) -> float | None:
        if generation_id in self._measured:
            return self._measured[generation_id]
        *same_network, everything = self._groups(self._plan.generations[generation_id])
        operations = self._operations.get(generation_id)
        for alike in same_network:
            if operations and alike in self._rates:
                return self._rates[alike] * operations
            if alike in self._seconds:
                return self._seconds[alike]
        return self._rates[everything] * operations if operations and everything in self._rates else None

    @staticmethod
    def _groups(generation: Generation) -> tuple[object, ...]:
        """What a generation's time has in common with others', the closest first."""
        return (generation.network, generation.loss.kind), generation.network, "all"
