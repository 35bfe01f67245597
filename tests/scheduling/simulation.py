"""A sweep that is conducted without Ray: what trainings would report is made up, the store is real."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bansweep.cluster.tpe import sampler_of
from bansweep.config.reading import parse_sweep
from bansweep.data.fingerprint import data_identity
from bansweep.graph.events import SweepEvent
from bansweep.graph.expand import expand
from bansweep.graph.generation import Generation
from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport
from bansweep.scheduling.conductor import Conductor
from bansweep.scheduling.messages import Ended, EpochDone, Outcome, Placed, Started
from bansweep.scheduling.meter import Meter
from bansweep.scheduling.schedule import Task
from bansweep.store.parquet_tables import Predictions
from bansweep.store.progress import Progress
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store

EPOCHS = 4
SWEEP = """\
name: searched
data: {kind: digits, limit: 300, validation: 100}
recipe: {base: wide-resnet, epochs: 4}
networks: [wrn-10-1, wrn-16-1]
search:
  parameters: {recipe.learning_rate: {loguniform: [0.01, 1]}}
  candidates: 4
  pruner: asha
chain: {loss: kd, length: 2}
"""
WITHOUT_SEARCH = SWEEP.split("search:")[0]
_SHARED = "parameters: {recipe.learning_rate: {loguniform: [0.01, 1]}}, candidates: 4"
SAME_CANDIDATES = f"""\
{WITHOUT_SEARCH.replace("[wrn-10-1, wrn-16-1]", "[wrn-10-1]")}generations:
  a: {{loss: labels, search: {{{_SHARED}, pruner: asha}}}}
  b: {{loss: labels, search: {{{_SHARED}, keep: all}}}}
"""


def plan_of(text: str = SWEEP) -> Plan:
    sweep = parse_sweep(text)
    return expand(sweep, data_identity(sweep.data))


def course(generation: Generation) -> list[float]:
    """The validation errors of a training, as if it had happened: a function of what it is."""
    chance = random.Random(generation.id)
    return [chance.uniform(0, 50) for _ in range(EPOCHS)]


def trained(generation: Generation, history: Sequence[EpochReport]) -> GenerationRecord:
    return GenerationRecord(
        id=generation.id,
        generation=generation,
        label="x",
        input_shape=(1, 8, 8),
        classes=10,
        parameters=1,
        teacher_digest=None,
        metrics={**history[-1].metrics, "test_error": 1.0},
        training_seconds=4.0,
        started_at=0.0,
        finished_at=1.0,
        device="cpu",
        host="here",
        versions={},
    )


PREDICTIONS = Predictions(np.full((2, 2), 0.5, dtype=np.float32), np.array([0, 1]))


class Simulation:
    """Trains what a conductor says, so many at a time, an epoch of any of them after another."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        *,
        at_a_time: int = 2,
        order: int = 0,
        limit: float | None = None,
        keep_all: frozenset[str] = frozenset(),
        lost_results: int = 3,
    ):
        self.events: list[SweepEvent] = []
        self.epochs_trained = 0
        self.store = store
        self._plan = plan
        self._order = random.Random(order)
        self._at_a_time = at_a_time
        self._now = 0.0
        self.running: dict[str, Task] = {}
        self._starting: set[str] = set()
        self.fails: Callable[[Task], str | None] = lambda _: None
        self.meter = Meter(limit, None, clock=lambda: self._now)
        self.conductor = Conductor(
            plan,
            store,
            sampler_of=sampler_of,
            emit=self.events.append,
            meter=self.meter,
            keep_all=keep_all,
            stop_at_limit=True,
            lost_results=lost_results,
        )
        self.report = self.conductor.handle

    def run(self, steps: int = 10_000) -> None:
        """Until nothing is left to do, or as if the driver had died after so many epochs."""
        for _ in range(steps):
            while len(self.running) < self._at_a_time and (task := self.conductor.next()) is not None:
                self.running[task.key] = task
                self._starting.add(task.key)
            if not self.running:
                assert self.conductor.done, "nothing runs and nothing comes: a sweep would hang"
                return
            self._step(self._order.choice(list(self.running.values())))

    def _step(self, task: Task) -> None:
        store, generation = self._store_of(task), self._generation(task)
        if task.key in self._starting:
            # A process of its own takes its time, in which others go on.
            self._starting.discard(task.key)
            if store.finished([task.id]) or (task.candidate and self.store.finished([task.generation_id])):
                del self.running[task.key]
                self.report(task, Ended(Outcome.REUSED))
                return
            progress = store.load_progress(task.id)
            self.report(task, Started(0 if progress is None else progress.epochs_done))
            self.report(task, Placed(""))
            return
        if (reason := self.fails(task)) is not None:
            del self.running[task.key]
            outcome = Outcome.DIVERGED if reason == "diverged" else Outcome.FAILED
            self.report(task, Ended(outcome, reason))
            return
        progress = store.load_progress(task.id)
        history = [] if progress is None else list(progress.history)
        epoch = len(history) + 1
        value = course(generation)[epoch - 1]
        metrics = {"validation_error": value, "validation_loss": value}
        history.append(EpochReport(epoch, EPOCHS, 1.0, 0.0, metrics))
        store.save_progress(task.id, Progress(epoch, b"", tuple(history)))
        self.epochs_trained += 1
        self._now += 1.0
        self.report(task, EpochDone(history[-1]))
        if epoch < EPOCHS and not store.is_asked_to_stop(task.id):
            return
        outcome = Outcome.STOPPED if epoch < EPOCHS else Outcome.FINISHED
        if outcome is Outcome.FINISHED:
            record = trained(generation, history)
            store.publish(record, weights=generation.id.encode(), history=history, predictions=PREDICTIONS)
            store.clear_progress(task.id)
        del self.running[task.key]
        self.report(task, Ended(outcome))

    def _generation(self, task: Task) -> Generation:
        return self._plan.generations[task.generation_id] if task.candidate is None else task.candidate.generation

    def _store_of(self, task: Task) -> Store:
        return self.store if task.candidate is None else self.store.candidates


def winners(plan: Plan, store: Store) -> Mapping[str, tuple[object, ...]]:
    """What is recorded of each search."""
    found = {}
    for generation_id in plan.generations:
        record = store.record(generation_id)
        assert record is not None
        found[generation_id] = (record.winner, [one.model_dump(exclude={"seconds"}) for one in record.candidates])
    return found
