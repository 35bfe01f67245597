"""The lineage graph: a tree for each network and seed, with the record of each generation as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bansweep.config.losses import loss_name
from bansweep.formatting import figure_text, name_text
from bansweep.graph.generation import canonical_json
from bansweep.report.notation import UNFINISHED
from bansweep.report.page.source import GENERATIONS, PageSource, left_out
from bansweep.report.record_facts import data_text, recipe_text, result_names, trained_text
from bansweep.store.records import GenerationRecord

_BOX_HEIGHT, _LINE, _GAP, _MARGIN = 40.0, 54.0, 36.0, 4.0
_CHARACTER, _PADDING, _LONGEST_NAME = 7.3, 20.0, 22


@dataclass(frozen=True)
class Node:
    """A generation in a tree: `x` and `y` are its box's upper left corner, in pixels."""

    generation_id: str
    name: str
    figure: str
    finished: bool
    x: float
    y: float


@dataclass(frozen=True)
class Tree:
    """`edges` are paths from teachers' boxes to students'; `pairs` has each node with its teacher, or None."""

    key: str
    row: str
    seed: int
    nodes: tuple[Node, ...]
    edges: tuple[str, ...]
    pairs: tuple[tuple[Node, Node | None], ...]
    width: float
    height: float
    box_width: float
    box_height: float = _BOX_HEIGHT


@dataclass(frozen=True)
class Lineage:
    """The trees of the first seed, those of the others, and a remark on omitted ones."""

    first: tuple[Tree, ...]
    others: tuple[Tree, ...]
    remark: str

    @cached_property
    def generation_ids(self) -> tuple[str, ...]:
        """All that are drawn, each once."""
        drawn = (node.generation_id for tree in (*self.first, *self.others) for node in tree.nodes)
        return tuple(dict.fromkeys(drawn))


def lineage(source: PageSource) -> Lineage:
    """The trees seed by seed and row by row, up to the limit of GENERATIONS."""
    places: dict[tuple[int, str], dict[str, list[str]]] = {
        (seed, row): {} for seed in source.table.seeds for row in source.plan.rows
    }
    for cell in source.plan.cells:
        places[cell.replica_seed, cell.row].setdefault(cell.generation_id, []).append(cell.column)
    # In the plan's order teachers come first; cells have another order.
    order = {generation_id: number for number, generation_id in enumerate(source.plan.generations)}
    remaining = GENERATIONS
    trees = []
    for number, ((seed, row), columns) in enumerate(places.items()):
        ids = sorted(columns, key=order.__getitem__)[:remaining]
        if ids:
            trees.append(_tree(source, f"tree-{number}", row, seed, {one: ", ".join(columns[one]) for one in ids}))
        remaining -= len(ids)
    first = source.table.seeds[0] if source.table.seeds else None
    total = sum(map(len, places.values()))
    return Lineage(
        first=tuple(tree for tree in trees if tree.seed == first),
        others=tuple(tree for tree in trees if tree.seed != first),
        remark=left_out(GENERATIONS, total, "places of generations", "bansweep plan lists them all"),
    )


def _tree(source: PageSource, key: str, row: str, seed: int, names: dict[str, str]) -> Tree:
    """`names` maps ids, teachers first, to names in the tree."""
    teachers = {one: source.plan.generations[one].teacher for one in names}
    depths: dict[str, int] = {}
    students: dict[str, list[str]] = {}
    for one, teacher in teachers.items():
        depths[one] = depths[teacher] + 1 if teacher in depths else 0
        if teacher in names:
            students.setdefault(str(teacher), []).append(one)
    lines = _lines([one for one in names if not depths[one]], list(names), students)
    longest = max(len(_shortened(name)) for name in names.values())
    box_width = _PADDING + _CHARACTER * max(longest, 7)
    nodes = {
        one: Node(
            generation_id=one,
            name=_shortened(name),
            figure=UNFINISHED if (figure := source.figure(one)) is None else source.table.metric.text(figure),
            finished=one in source.records,
            x=round(_MARGIN + depths[one] * (box_width + _GAP), 1),
            y=round(_MARGIN + lines[one] * _LINE, 1),
        )
        for one, name in names.items()
    }
    pairs = tuple((node, nodes.get(str(teachers[one]))) for one, node in nodes.items())
    return Tree(
        key=key,
        row=row,
        seed=seed,
        nodes=tuple(nodes.values()),
        edges=tuple(_edge(teacher, student, box_width) for student, teacher in pairs if teacher is not None),
        pairs=pairs,
        width=max(node.x for node in nodes.values()) + box_width + _MARGIN,
        height=max(node.y for node in nodes.values()) + _BOX_HEIGHT + _MARGIN,
        box_width=box_width,
    )


def _lines(roots: list[str], teachers_first: list[str], students: dict[str, list[str]]) -> dict[str, float]:
    """The line of each generation: students below one another, a teacher in the middle of its students."""
    lines: dict[str, float] = {}
    waiting = list(reversed(roots))
    leaves = 0
    while waiting:
        one = waiting.pop()
        if one in students:
            waiting += reversed(students[one])
        else:
            lines[one] = leaves
            leaves += 1
    for one in reversed(teachers_first):
        if one in students:
            lines[one] = (lines[students[one][0]] + lines[students[one][-1]]) / 2
    return lines


def _edge(teacher: Node, student: Node, box_width: float) -> str:
    start, end = teacher.x + box_width, student.x
    top, bottom = teacher.y + _BOX_HEIGHT / 2, student.y + _BOX_HEIGHT / 2
    middle = (start + end) / 2
    return f"M{start:g} {top:g}C{middle:g} {top:g} {middle:g} {bottom:g} {end - 5:g} {bottom:g}"


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


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
    facts = [
        ("network", generation.network.name),
        ("loss", loss_name(generation.loss)),
        ("seed", str(generation.seed)),
        ("recipe", recipe_text(generation)),
        ("data", data_text(generation)),
    ]
    if record is not None:
        facts[0] = ("network", f"{generation.network.name}, {record.parameters:,} parameters")
        facts.append(("trained", trained_text(record)))
        if record.selected_epoch is not None and record.selected_epoch != generation.recipe.epochs:
            facts.append(("weights of", f"epoch {record.selected_epoch} of {generation.recipe.epochs}"))
        if record.candidates:
            facts.append(("searched", f"the best of {len(record.candidates)} candidates"))
        if record.versions:
            facts.append(("versions", ", ".join(f"{name} {one}" for name, one in sorted(record.versions.items()))))
    return tuple(facts)


def _metrics(record: GenerationRecord) -> tuple[tuple[str, str], ...]:
    return tuple((name_text(name), figure_text(name, record.metrics[name])) for name in result_names(record.metrics))
