"""The record of each generation that the lineage graph shows, as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bansweep.plan.generation import canonical_json
from bansweep.plan.metric_text import figure_text, name_text
from bansweep.report.page.durations import duration_text
from bansweep.report.page.source import PageSource
from bansweep.spec.losses import loss_name
from bansweep.store.records import GenerationRecord

# The last step's is the schedule's, no result.
_NO_RESULTS = ("learning_rate",)


@dataclass(frozen=True)
class Relative:
    """A teacher or student; `linked` where its record is in the page."""

    generation_id: str
    label: str
    linked: bool


@dataclass(frozen=True)
class RecordView:
    """`facts` are names and texts; `spec` the canonical JSON whose hash is the id, indented."""

    generation_id: str
    label: str
    finished: bool
    facts: tuple[tuple[str, str], ...]
    metrics: tuple[tuple[str, str], ...]
    teacher: Relative | None
    students: tuple[Relative, ...]
    path: str
    command: str
    spec: str


def record_views(source: PageSource, shown: Sequence[str]) -> tuple[RecordView, ...]:
    """Those of the generations `shown`, in their order."""
    linked = set(shown)
    students: dict[str, list[str]] = {}
    for generation_id, generation in source.plan.generations.items():
        if generation.teacher is not None:
            students.setdefault(generation.teacher, []).append(generation_id)

    def relative(generation_id: str) -> Relative:
        return Relative(generation_id, source.plan.label(generation_id), generation_id in linked)

    views = []
    for generation_id in shown:
        generation, record = source.plan.generations[generation_id], source.records.get(generation_id)
        views.append(
            RecordView(
                generation_id=generation_id,
                label=source.plan.label(generation_id),
                finished=record is not None,
                facts=_facts(source, generation_id, record),
                metrics=() if record is None else _metrics(record),
                teacher=None if generation.teacher is None else relative(generation.teacher),
                students=tuple(map(relative, students.get(generation_id, ()))),
                path=source.commands.folder(generation_id),
                command=source.commands.show(generation_id),
                spec=json.dumps(json.loads(canonical_json(generation)), indent=1),
            )
        )
    return tuple(views)


def _facts(source: PageSource, generation_id: str, record: GenerationRecord | None) -> tuple[tuple[str, str], ...]:
    generation = source.plan.generations[generation_id] if record is None else record.trained
    recipe = generation.recipe
    facts = [
        ("network", generation.network.name),
        ("loss", loss_name(generation.loss)),
        ("seed", str(generation.seed)),
        ("recipe", f"{recipe.epochs} epochs, batch size {recipe.batch_size}, learning rate {recipe.learning_rate:g}"),
        ("data", f"{generation.data.kind} ({generation.data.fingerprint[:16]})"),
    ]
    if record is not None:
        finished = datetime.fromtimestamp(record.finished_at, UTC)
        facts[0] = ("network", f"{generation.network.name}, {record.parameters:,} parameters")
        facts.append(
            ("trained", f"{duration_text(record.training_seconds)} on {record.device}, {finished:%Y-%m-%d %H:%M} UTC")
        )
        if record.selected_epoch is not None and record.selected_epoch != recipe.epochs:
            facts.append(("weights of", f"epoch {record.selected_epoch} of {recipe.epochs}"))
        if record.candidates:
            facts.append(("searched", f"the best of {len(record.candidates)} candidates"))
        if record.versions:
            facts.append(("versions", ", ".join(f"{name} {one}" for name, one in sorted(record.versions.items()))))
    return tuple(facts)


def _metrics(record: GenerationRecord) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name_text(name), figure_text(name, value))
        for name, value in sorted(record.metrics.items())
        if name not in _NO_RESULTS
    )
