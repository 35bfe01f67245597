"""Plans with everything that a table can hold, and finished generations in memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from bansweep.config.reading import parse_sweep
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity
from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport
from bansweep.store.parquet_tables import Predictions, TokenPredictions

SWEEP = """
name: example
data: digits
recipe: wide-resnet
networks: [densenet-80-80, densenet-80-120]
seeds: [3, 1, 2]
generations:
  teacher: {loss: labels}
  ban: {loss: kd, teacher: teacher}
  ban-2: {loss: kd, teacher: ban, skip: [densenet-80-120]}
ensembles:
  ens*2: {members: [ban, ban-2], densenet-80-120: [teacher, ban]}
"""


TEXT_SWEEP = """
name: text
data: ptb
recipe: lstm
networks: [cnn-lstm, lstm]
generations:
  teacher: {loss: labels}
  ban: {loss: kd+labels, teacher: teacher}
ensembles:
  ens*2: [teacher, ban]
"""


@dataclass(frozen=True)
class Record:
    metrics: Mapping[str, float]


@dataclass
class Memory:
    """Satisfies FinishedGenerations; filled by the place in the table that a generation has."""

    plan: Plan
    records: dict[str, Record] = field(default_factory=dict)
    stored: dict[str, Predictions | TokenPredictions] = field(default_factory=dict)
    histories: dict[str, Sequence[EpochReport]] = field(default_factory=dict)

    def record(self, generation_id: str, /) -> Record | None:
        return self.records.get(generation_id)

    def predictions(self, generation_id: str, /) -> Predictions | TokenPredictions:
        return self.stored[generation_id]

    def history(self, generation_id: str, /) -> Sequence[EpochReport]:
        return self.histories.get(generation_id, ())

    def id_at(self, row: str, column: str, seed: int) -> str:
        place = (row, column, seed)
        return next(c.generation_id for c in self.plan.cells if (c.row, c.column, c.replica_seed) == place)

    def put(self, row: str, column: str, seed: int, test_error: float, predicted: Iterable[int] = (0, 1, 2, 1)) -> None:
        """A finished generation that is sure of the classes `predicted` where 0, 1, 2, 1 are right."""
        generation_id = self.id_at(row, column, seed)
        probabilities_NC = np.eye(3, dtype=np.float32)[list(predicted)] * np.float32(0.7) + np.float32(0.1)
        self.records[generation_id] = Record({"test_error": test_error, "test_loss": 0.5})
        self.stored[generation_id] = Predictions(probabilities_NC, np.array([0, 1, 2, 1]))

    def put_text(self, row: str, column: str, seed: int, validation: Sequence[float], test: Sequence[float]) -> None:
        """A finished language model that gives these probabilities to the tokens of the two texts."""
        generation_id = self.id_at(row, column, seed)
        perplexities = {
            f"{split}_perplexity": math.prod(probabilities) ** (-1 / len(probabilities))
            for split, probabilities in {"validation": validation, "test": test}.items()
        }
        self.records[generation_id] = Record({"train_loss": 1.0, **perplexities})
        self.stored[generation_id] = TokenPredictions(
            np.log(validation).astype(np.float32), np.log(test).astype(np.float32)
        )


@pytest.fixture
def plan() -> Plan:
    return expand(parse_sweep(SWEEP), DataIdentity(kind="digits", fingerprint="f"))


@pytest.fixture
def empty(plan: Plan) -> Memory:
    return Memory(plan)


@pytest.fixture
def memory(plan: Plan) -> Memory:
    """densenet-80-80 lacks `ban-2` of its last seed; densenet-80-120 has nothing but its first teacher."""
    memory = Memory(plan)
    for seed, errors in {3: (18.0, 17.0, 16.5), 1: (17.5, 17.1, 16.4), 2: (17.0, 16.3, None)}.items():
        for column, error in zip(("teacher", "ban", "ban-2"), errors, strict=True):
            if error is not None:
                memory.put("densenet-80-80", column, seed, error, predicted=(0, 1, 0, 0))
    memory.put("densenet-80-120", "teacher", 3, 16.875)
    return memory


@pytest.fixture
def text_plan() -> Plan:
    return expand(parse_sweep(TEXT_SWEEP), DataIdentity(kind="ptb", fingerprint="f"))


@pytest.fixture
def text_memory(text_plan: Plan) -> Memory:
    """All of `lstm`, with perplexities 4 and 4 of the teacher and 4 and 2 of the student; of `cnn-lstm` the teacher."""
    memory = Memory(text_plan)
    memory.put_text("lstm", "teacher", 0, validation=(1 / 2, 1 / 8), test=(1 / 4,))
    memory.put_text("lstm", "ban", 0, validation=(1 / 16, 1), test=(1 / 2,))
    memory.put_text("cnn-lstm", "teacher", 0, validation=(1 / 100, 1 / 64), test=(1 / 80,))
    return memory
