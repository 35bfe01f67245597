"""Writes docs/results.md, and draws its pictures, from what is kept under results/.

::

    python docs/generators/results.py           write what is not up to date
    python docs/generators/results.py --check   write nothing; exit status 1 where it is not

`docs/generators/results_kept.py` brings results there.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from results_claims import ALL_ROWS, IMAGE_CLAIMS, TEXT_CLAIMS, Claim, Finding, findings
from results_kept import KeptSweep
from results_pictures import description, draw, picture

from bansweep.report.metrics import TEST_ERROR
from bansweep.spec.data import OwnImages, is_text
from bansweep.store.records import GenerationRecord

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "results.md"
COMMAND = "python docs/generators/results.py"
FOLDERS = {"cpu": "On a CPU"}
"""Folders of sweeps/ and of results/, with their titles."""
PAPER_SWEEPS = ("table1", "table2", "table3", "table4", "table5", "table6")
SIGNS = {"holds": "✓", "not refuted": "≈", "open": "·", "the opposite": "✗", "one seed": "1"}

HEAD = f"""# Results

What this project has trained so far, on which machines, and which of the paper's claims it bears out. This page is
written by `{COMMAND}` from the records, histories and reports that are kept under `results/`; nothing on it is
typed in by hand. "The paper" is Furlanello et al., "Born-Again Neural Networks", ICML 2018.

**How to read it.** Figures are means ± standard deviations over seeds: test errors in percent, perplexities as they
are. A seed is a replica of everything, teacher and students. Differences are taken seed by seed, with the paired
t-interval of their mean at 95 %; negative is better. A claim

- **holds** (✓) in a row where the whole interval is on the side that the paper says;
- is **open** (·) where the interval contains 0: with so few seeds, only large effects show;
- **does not hold** (✗) where the whole interval is on the other side;
- is **not refuted** (≈) where it says that two columns are equal, and the interval contains 0: no proof of it.

Where a sweep has several networks, *{ALL_ROWS}* is the mean over all their seeds, with its interval.

One interval in twenty misses by chance, and there are dozens on this page: single marks are weak evidence, rows of
equal ones are not.
Intervals are about seeds. The test images are the same for all: with 10,000 of them an error of 35 % is itself known to
± 0.9 points, though less of that is left in differences.
"""


def page() -> str:
    """The whole of docs/results.md."""
    sweeps = list(kept_sweeps())
    blocks = [HEAD.strip(), *_overview(sweeps)]
    for folder, title in FOLDERS.items():
        here = [sweep for sweep in sweeps if sweep.folder.name == folder and sweep.records]
        if here:
            blocks.append(f"## {title}")
            blocks.append(f"Machine: {here[0].machine}")
            blocks += [block for sweep in here for block in _section(sweep)]
    return "\n\n".join([*blocks, *_not_run(sweeps)]) + "\n"


def kept_sweeps() -> Iterator[KeptSweep]:
    """Every sweep that is meant to be run on the machines at hand."""
    for folder in FOLDERS:
        for file in sorted((ROOT / "sweeps" / folder).glob("*.yaml")):
            yield KeptSweep(file, ROOT / "results" / folder)


def sweep_findings(sweep: KeptSweep) -> list[tuple[Claim, tuple[Finding, ...]]]:
    """What a sweep says of each claim that it can say something of."""
    values = {
        (cell["row"], cell["column"]): [None if value is None else float(value) for value in cell["values"]]
        for cell in sweep.report["cells"]
    }
    rows = list(dict.fromkeys(row for row, _ in values))
    claims = TEXT_CLAIMS if is_text(sweep.spec.data) else IMAGE_CLAIMS
    found = [(claim, findings(claim, rows, values)) for claim in claims]
    return [(claim, those) for claim, those in found if those]


def _overview(sweeps: Sequence[KeptSweep]) -> list[str]:
    """Claims against sweeps: what the networks of a sweep say together of each pair of columns."""
    finished = [sweep for sweep in sweeps if sweep.records]
    if not finished:
        return ["Nothing has been run yet."]
    # The last finding of a pair is the one of all rows, or the only one.
    found = {
        sweep.spec.name: {(one.first, one.second): one for _, those in sweep_findings(sweep) for one in those}
        for sweep in finished
    }
    lines = [
        [
            claim.name if number == 0 else "",
            claim.source if number == 0 else "",
            f"{first} − {second}",
            *(_glance(of[first, second]) if (first, second) in of else "" for of in found.values()),
        ]
        for claim in (*IMAGE_CLAIMS, *TEXT_CLAIMS)
        for number, (first, second) in enumerate(
            pair for pair in claim.pairs if any(pair in of for of in found.values())
        )
    ]
    marks = Counter(cell[:1] for line in lines for cell in line[3:])
    counts = ", ".join(f"{marks[sign]} {sign}" for sign in "✓≈·✗")
    told = f"{counts}: what all networks of a sweep say together, with the mean and its interval."
    return ["## The claims at a glance", told, _table(["claim", "in the paper", "difference", *found], lines)]


def _glance(finding: Finding) -> str:
    mean, interval, _ = _paired(finding)
    return f"{SIGNS[finding.verdict]} {mean} ({interval})"


def _section(sweep: KeptSweep) -> list[str]:
    spec, records = sweep.spec, sweep.records
    file = sweep.file.relative_to(ROOT)
    hours = sum(record.training_seconds for record in records.values()) / 3600
    days = sorted(datetime.fromtimestamp(record.finished_at, UTC) for record in records.values())
    first = next(iter(records.values()))
    networks = {row: teachers[0].parameters for row, teachers in _teachers(sweep).items()}
    facts = [
        f"[`{file}`](../{file}), seeds {', '.join(map(str, spec.seeds))};",
        f"{_data_text(sweep)}; {first.generation.recipe.epochs} epochs, {first.generation.precision};",
        "; ".join(f"{name}: {parameters:,} parameters" for name, parameters in networks.items()) + ".",
        f"{len(records)} of {len(sweep.plan.generations)} generations are finished: {hours:.1f} hours of one core,",
        f"{days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}, torch {first.versions.get('torch', '?')}.",
    ]
    blocks = [f"### {spec.name}", "\n".join(facts), _cells(sweep), _fit(sweep)]
    return [*blocks, _shown(sweep), f"Differences, in {_unit(sweep)}:", _claims(sweep)]


def _unit(sweep: KeptSweep) -> str:
    return "perplexity" if is_text(sweep.spec.data) else "percentage points"


def _shown(sweep: KeptSweep) -> str:
    """The picture of the differences, which the table below has in figures."""
    told = "A line for each pair of columns: the mean difference and its interval, network by network and all together"
    return f"![{told}, against a line at 0](pictures/{picture(sweep.spec.name).name})"


def _data_text(sweep: KeptSweep) -> str:
    data = sweep.spec.data
    of_text, limits = is_text(data), []
    if data.limit is not None:
        limits.append(f"the first {data.limit:,} training {'tokens' if of_text else 'images'}")
    if validation := getattr(data, "validation", 0):
        limits.append(f"validated on {validation:,} others, tested on all test images")
    if data.test_limit is not None:
        limits.append(f"the first {data.test_limit:,} {'held-out tokens' if of_text else 'test images'}")
    name = f"`{data.code.file}:{data.code.name}`" if isinstance(data, OwnImages) else data.kind
    return ", ".join([name, *limits])


def _cells(sweep: KeptSweep) -> str:
    cells = sweep.report["cells"]
    columns = list(dict.fromkeys(cell["column"] for cell in cells))
    rows = list(dict.fromkeys(cell["row"] for cell in cells))
    by_place = {(cell["row"], cell["column"]): _cell_text(cell) for cell in cells}
    # Columns are many and rows few: the table stands on its side.
    return _table(["", *rows], [[column, *(by_place.get((row, column), "") for row in rows)] for column in columns])


def _cell_text(cell: Mapping[str, Any]) -> str:
    mean, sd = cell["mean"], cell["sd"]
    if not isinstance(mean, float):
        return "not finished"
    known = sum(value is not None for value in cell["values"])
    part = f" ({known} of {len(cell['values'])} seeds)" if known < len(cell["values"]) else ""
    return f"{mean:.2f}" + (f" ± {sd:.2f}" if isinstance(sd, float) else "") + part


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


def _claims(sweep: KeptSweep) -> str:
    lines = [
        [SIGNS[one.verdict], claim.name if number == 0 else "", one.row, f"{one.first} − {one.second}", *_paired(one)]
        for claim, those in sweep_findings(sweep)
        for number, one in enumerate(those)
    ]
    return _table(["", "claim", "network", "difference", "mean", "95 % interval", "seed by seed"], lines)


def _paired(finding: Finding) -> tuple[str, str, str]:
    paired = finding.paired
    written = TEST_ERROR.difference_text  # two decimals suit perplexities as well
    mean = "" if paired.mean is None else written(paired.mean)
    interval = "one seed" if paired.interval is None else " to ".join(map(written, paired.interval))
    seeds = "" if finding.row == ALL_ROWS else ", ".join(written(one) for one in paired.values if one is not None)
    return mean, interval, seeds


def _not_run(sweeps: Sequence[KeptSweep]) -> list[str]:
    waiting = [
        f"- [`{file}`](../{file}): {missing} of {len(sweep.plan.generations)} generations"
        for sweep in sweeps
        if (missing := len(sweep.plan.generations) - len(sweep.records))
        for file in [sweep.file.relative_to(ROOT)]
    ]
    waiting += [f"- [`sweeps/{name}.yaml`](../sweeps/{name}.yaml): all of it; it wants GPUs" for name in PAPER_SWEEPS]
    told = "Of the sweeps of this repository these have not been run to their end; of what is missing nothing is known."
    return ["## What was not run", told, "\n".join(waiting)]


def _table(heading: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [heading, ["---"] * len(heading), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def outdated() -> list[Path]:
    """The page and the pictures that are not what results/ says now."""
    files = [] if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page() else [PAGE]
    return files + [picture(sweep.spec.name) for sweep in kept_sweeps() if sweep.records and not _is_drawn(sweep)]


def _is_drawn(sweep: KeptSweep) -> bool:
    file = picture(sweep.spec.name)
    return file.is_file() and description(_all_findings(sweep)) in file.read_text(encoding="utf-8")


def _all_findings(sweep: KeptSweep) -> list[Finding]:
    return [one for _, those in sweep_findings(sweep) for one in those]


def main() -> int:
    files = outdated()
    for file in files:
        print(f"{file} is not up to date; {COMMAND} writes it" if "--check" in sys.argv[1:] else file)
    if "--check" in sys.argv[1:]:
        return 1 if files else 0
    PAGE.write_text(page(), encoding="utf-8")
    for sweep in kept_sweeps():
        if picture(sweep.spec.name) in files:
            draw(sweep.spec.name, _all_findings(sweep), _unit(sweep))
    return 0


if __name__ == "__main__":
    sys.exit(main())
