"""The cost of the sweep, and the savings of training each distinct generation once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from bansweep.formatting import duration_text
from bansweep.report.page.source import COMMANDS, PageSource, left_out
from bansweep.store.records import GenerationRecord

_SECONDS_AN_HOUR = 3600.0


@dataclass(frozen=True)
class CostSection:
    """Times as text. `by_device` and `by_row` hold (name, generations, time); `held` is empty where unknown.

    `unshared` is the time if each place of the table had trained its own teachers, and each ensemble its own members;
    `saved` is the share of it, in percent, that was saved.
    """

    finished: int
    planned: int
    trained: str
    held: str
    by_device: tuple[tuple[str, int, str], ...]
    by_row: tuple[tuple[str, int, str], ...]
    places: int
    unshared: str
    saved: str
    remark: str


def cost_section(source: PageSource) -> CostSection:
    """The cost by the records of finished generations."""
    seconds = {one: training_seconds(record) for one, record in source.records.items()}
    places, unshared = _unshared(source, seconds)
    by_device: dict[str, list[float]] = {}
    for generation_id, record in source.records.items():
        by_device.setdefault(record.device, []).append(seconds[generation_id])
    by_row: dict[str, set[str]] = {row: set() for row in source.plan.rows}
    for cell in source.plan.cells:
        if cell.generation_id in seconds:
            by_row[cell.row].add(cell.generation_id)
    total = sum(seconds.values())
    held = sum(hours for one, hours in source.device_hours.items() if one in source.plan.generations)
    rows = [(row, len(ids), duration_text(sum(seconds[one] for one in ids))) for row, ids in by_row.items()]
    return CostSection(
        finished=len(seconds),
        planned=len(source.plan.generations),
        trained=duration_text(total),
        held=duration_text(held * _SECONDS_AN_HOUR) if held else "",
        by_device=tuple((device, len(times), duration_text(sum(times))) for device, times in by_device.items()),
        by_row=tuple(rows[:COMMANDS]),
        places=places,
        unshared=duration_text(unshared),
        saved=f"{100 * (1 - total / unshared):.0f} %" if unshared > total else "",
        remark=left_out(COMMANDS, len(rows), "networks", "the records have the others' times"),
    )


def training_seconds(record: GenerationRecord) -> float:
    """With all candidates, where it was searched."""
    return sum(one.seconds for one in record.candidates) or record.training_seconds


def _unshared(source: PageSource, seconds: dict[str, float]) -> tuple[int, float]:
    """The number of finished places in the table, and the seconds if each had trained all its ancestors."""
    with_teachers = source.plan.summed_with_teachers(seconds)
    shown = Counter(cell.generation_id for cell in source.plan.cells if cell.generation_id in seconds)
    unshared = sum(with_teachers[one] * count for one, count in shown.items())
    places = shown.total()
    for ensemble in source.plan.ensembles:
        if all(member in seconds for member in ensemble.members):
            # An ensemble unshared would share teachers within itself.
            trained = {one for member in ensemble.members for one in source.plan.lineage(member)}
            unshared += sum(seconds.get(one, 0.0) for one in trained)
            places += 1
    return places, unshared
