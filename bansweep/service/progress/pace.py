"""What is known of how fast a sweep trains before its first epoch is through: from counts, and from its store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from bansweep.data.size import data_size
from bansweep.errors import StoreError
from bansweep.plan.generation import Generation
from bansweep.plan.operations import Images
from bansweep.plan.plan import Plan
from bansweep.plan.time_left import epoch_operations, epoch_seconds
from bansweep.plan.workload import DataSize, TeacherRoom
from bansweep.spec.sweep import SweepSpec
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store


@dataclass(frozen=True)
class Pace:
    """`operations`: multiply-adds of an epoch of each generation; `stored`: seconds of one, of those in the store."""

    data: DataSize | None = None
    operations: Mapping[str, float] = field(default_factory=dict)
    stored: Mapping[str, float] = field(default_factory=dict)

    def epoch_seconds(self, plan: Plan, measured: Mapping[str, float]) -> dict[str, float]:
        """Seconds of an epoch of each generation. Once epochs of this run are `measured`, the store's, which other
        machines may have trained, say nothing more."""
        return epoch_seconds(plan, measured or self.stored, self.operations)

    def speed_text(self, trained: Generation, epoch_s: float | None) -> str:
        """`1,240 images/s`: training samples an epoch by all of its seconds, evaluation included; where the size of the
        data is unknown `8.3 s an epoch`; nothing where the time is."""
        if not epoch_s:
            return ""
        if self.data is None:
            return f"{epoch_s:.3g} s an epoch"
        unit = "images" if isinstance(self.data.inputs, Images) else "tokens"
        batch_size = trained.recipe.batch_size
        rate = self.data.training // batch_size * batch_size / epoch_s
        return f"{rate:,.0f} {unit}/s" if rate >= 10 else f"{rate:.1f} {unit}/s"


def sweep_pace(spec: SweepSpec, plan: Plan, records: Iterable[GenerationRecord]) -> Pace:
    """By the data's size, as far as it is known yet, and the `records` of generations that are finished."""
    fingerprint = next(iter(plan.generations.values())).data.fingerprint
    data = data_size(spec.data, fingerprint)
    room = TeacherRoom.of_gigabytes(spec.resources.teacher_memory_gb, spec.resources.teacher_disk_gb)
    stored = {record.id: record.training_seconds / record.trained.recipe.epochs for record in records}
    return Pace(data, epoch_operations(plan, data, room), stored)


def readable_records(store: Store, generation_ids: Iterable[str]) -> Iterator[GenerationRecord]:
    """Those that are there and can be read: for what may as well be unknown."""
    for generation_id in generation_ids:
        with suppress(StoreError):
            record = store.record(generation_id)
            if record is not None:
                yield record
