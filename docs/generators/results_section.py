"""What docs/results.md says of one sweep: what was run, its cells, its differences, and what was looked into."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from results_claims import IMAGE_CLAIMS, TEXT_CLAIMS, Claim
from results_findings import SIGNS, Finding, correlation, findings
from results_kept import KeptSweep
from results_pictures import picture

from bansweep.config.data import UserImages, is_text
from bansweep.store.records import GenerationRecord

ROOT = Path(__file__).parents[2]


def claims_of(sweep: KeptSweep) -> list[tuple[Claim, tuple[Finding, ...]]]:
    """What a sweep says of each claim that it can say something of."""
    figures = {
        (cell["row"], cell["column"]): [None if value is None else float(value) for value in cell["values"]]
        for cell in sweep.report["cells"]
    }
    rows = list(dict.fromkeys(row for row, _ in figures))
    claims = TEXT_CLAIMS if is_text(sweep.spec.data) else IMAGE_CLAIMS
    return [(claim, found) for claim in claims if (found := findings(claim, rows, figures))]


def findings_of(sweep: KeptSweep) -> list[Finding]:
    """The same, pair by pair."""
    return [one for _, found in claims_of(sweep) for one in found]


def unit(sweep: KeptSweep) -> str:
    """Of differences."""
    return "perplexity" if is_text(sweep.spec.data) else "percentage points"


def section(sweep: KeptSweep) -> list[str]:
    """The blocks of a sweep of which something is kept."""
    found = claims_of(sweep)
    blocks = [f"### {sweep.spec.name}", _facts(sweep), _cells(sweep), _fit(sweep)]
    blocks += [_shown(sweep), f"Differences, in {unit(sweep)}:", _differences(found)]
    if (alike := correlation(one for _, those in found for one in those)) is not None:
        blocks.append(
            "All networks' differences are taken for draws of their own. Between networks those of one seed correlate, "
            f"over all pairs of columns, by {alike:+.2f}."
        )
    return [*blocks, *([] if not sweep.remarks else ["What was looked into:", sweep.remarks])]


def table(heading: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    rows = [heading, ["---"] * len(heading), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _facts(sweep: KeptSweep) -> str:
    records = list(sweep.records.values())
    file = sweep.file.relative_to(ROOT)
    hours = sum(record.training_seconds for record in records) / 3600
    days = sorted({f"{datetime.fromtimestamp(record.finished_at, UTC):%Y-%m-%d}" for record in records})
    parameters = {row: teachers[0].parameters for row, teachers in _teachers(sweep).items()}
    facts = [
        f"[`{file}`](../{file}), seeds {', '.join(map(str, sweep.spec.seeds))};",
        f"{_data(sweep)};",
        f"{_all_of(f'{one.generation.recipe.epochs} epochs, {one.generation.precision}' for one in records)};",
        "; ".join(f"{name}: {number:,} parameters" for name, number in parameters.items()) + ".",
        f"{len(records)} of {len(sweep.plan.generations)} generations are finished, in {hours:.1f} hours of one core,",
        f"by the clock of their epochs; {' and '.join(days)},",
        f"torch {_all_of(one.versions['torch'] for one in records)}.",
    ]
    return "\n".join(facts)


def _all_of(values: Iterable[str]) -> str:
    return " or ".join(sorted(set(values)))


def _data(sweep: KeptSweep) -> str:
    data = sweep.spec.data
    things = "tokens" if is_text(data) else "images"
    held_out = "validation and test tokens" if is_text(data) else "test images"
    parts = [data.kind]
    if isinstance(data, UserImages):
        file = (sweep.file.parent / data.code.file).relative_to(ROOT)
        title = (ast.get_docstring(ast.parse(data.code.text)) or "").partition("\n")[0].rstrip(".")
        parts = [f"[`{file}:{data.code.name}`](../{file}): {title}"]
    if data.limit is not None:
        parts.append(f"the first {data.limit:,} training {things}")
    if not is_text(data) and data.validation:
        parts.append(f"validated on {data.validation:,} others")
    parts.append(f"the first {data.test_limit:,} {held_out}" if data.test_limit else f"all {held_out}")
    return ", ".join(parts)


def _cells(sweep: KeptSweep) -> str:
    cells = sweep.report["cells"]
    columns = list(dict.fromkeys(cell["column"] for cell in cells))
    rows = list(dict.fromkeys(cell["row"] for cell in cells))
    by_place = {(cell["row"], cell["column"]): _cell(cell) for cell in cells}
    # Columns are many and rows few: the table stands on its side.
    return table(["", *rows], [[column, *(by_place.get((row, column), "") for row in rows)] for column in columns])


def _cell(cell: Mapping[str, Any]) -> str:
    mean, sd = cell["mean"], cell["sd"]
    if mean is None:
        return "not finished"
    known = sum(value is not None for value in cell["values"])
    part = f" ({known} of {len(cell['values'])} seeds)" if known < len(cell["values"]) else ""
    return f"{float(mean):.2f}" + ("" if sd is None else f" ± {float(sd):.2f}") + part


def _fit(sweep: KeptSweep) -> str:
    """How far teachers have come on their training data: what a student can gain depends on it."""
    losses = {row: [record.metrics["train_loss"] for record in teachers] for row, teachers in _teachers(sweep).items()}
    told = ", ".join(f"{sum(values) / len(values):.2f} ({row})" for row, values in losses.items())
    return f"Training loss of those that learn from labels, in the last epoch, in nats: {told}."


def _teachers(sweep: KeptSweep) -> dict[str, list[GenerationRecord]]:
    """The finished teachers of each row."""
    found: dict[str, list[GenerationRecord]] = {}
    for cell in sweep.plan.cells:
        if cell.column == "teacher" and cell.generation_id in sweep.records:
            found.setdefault(cell.row, []).append(sweep.records[cell.generation_id])
    return found


def _shown(sweep: KeptSweep) -> str:
    """The picture of the differences, which the table below has in figures."""
    told = "A line for each pair of columns: the mean difference and its interval, network by network and all together"
    return f"![{told}, against a line at 0](pictures/{picture(sweep.spec.name).name})"


def _differences(found: Sequence[tuple[Claim, tuple[Finding, ...]]]) -> str:
    heading = ["", "claim", "network", "difference", "mean", "95 % interval", "seed by seed"]
    lines = [
        [
            SIGNS[one.verdict],
            claim.name if number == 0 else "",
            one.row,
            one.name,
            one.mean_text,
            one.interval_text,
            one.seeds_text,
        ]
        for claim, those in found
        for number, one in enumerate(those)
    ]
    return table(heading, lines)
