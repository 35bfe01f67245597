"""The terminal's table at several widths: it fits, and no figure is lost."""

from __future__ import annotations

import io
import re
from collections import Counter
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from bansweep.config.reading import parse_sweep
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity
from bansweep.graph.plan import Plan
from bansweep.report.paired_differences import PairedDifference
from bansweep.report.table import ReportTable, report_table
from bansweep.report.terminal import TerminalReport, terminal_table

QUICKSTART = """
name: quickstart
data: digits
recipe: wide-resnet
networks: [{network}]
seeds: {seeds}
generations:
  teacher: {{loss: labels}}
  ban: {{loss: kd, teacher: teacher}}
  ban+l: {{loss: kd+labels, teacher: teacher}}
  cwtm: {{loss: cwtm, teacher: teacher}}
  dkpp: {{loss: dkpp, teacher: teacher}}
  ban-2: {{loss: kd, teacher: ban}}
ensembles:
  ens*2: [ban, ban-2]
"""


def quickstart(empty: Any, network: str, seeds: list[int], paper: str | None) -> ReportTable:
    """Seven columns, all finished, each with a figure of its own."""
    sweep = parse_sweep(QUICKSTART.format(network=network, seeds=seeds))
    plan = expand(sweep, DataIdentity(kind="digits", fingerprint="f"))
    memory = type(empty)(plan)
    for index, cell in enumerate(plan.cells):
        memory.put(cell.row, cell.column, cell.replica_seed, 10.0 + 1.37 * index, predicted=(0, 1, 2, 0))
    return report_table(plan, memory, paper=paper)


def rendered(report: RenderableType, width: int) -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO(), color_system=None)
    console.print(report)
    return console.export_text().splitlines()


def figures_of(table: ReportTable) -> Counter[str]:
    """Each figure as it should be printed; differences have a sign, or nobody could tell them from the others."""
    figures = [f"{x:.2f}" for cell in table.cells for x in (cell.mean, cell.sd, cell.paper) if x is not None]
    differences = [f"{cell.difference:+.2f}" for cell in table.cells if cell.difference is not None]
    return Counter(figures + differences)


def shown_differences(table: ReportTable) -> list[PairedDifference]:
    """All of them, where there are several seeds."""
    several = len(table.seeds) > 1
    return [one.paired for one in (*table.differences, *table.from_baselines)] if several else []


def paired_figures_of(table: ReportTable) -> Counter[str]:
    """Mean, standard deviation and interval of every difference."""
    paired = shown_differences(table)
    spreads = [f"{one.sd:.2f}" for one in paired if one.sd is not None]
    signed = [x for one in paired for x in (one.mean, *(one.interval or ())) if x is not None]
    return Counter(spreads + [f"{x:+.2f}" for x in signed])


def figures_in(lines: list[str]) -> Counter[str]:
    return Counter(re.findall(r"[+-]?\d+\.\d\d", "\n".join(lines)))


@pytest.mark.parametrize("width", [200, 80, 40])
@pytest.mark.parametrize(
    ("network", "seeds", "paper"),
    [
        ("wrn-10-1", [0], None),
        ("wrn-10-1", [0, 1, 2], None),
        ("densenet-90-60", [0], "table2"),
        ("densenet-90-60", [0, 1, 2], "table2"),
    ],
)
def test_all_figures_at_every_width(empty: Any, network: str, seeds: list[int], paper: str | None, width: int) -> None:
    table = quickstart(empty, network, seeds, paper)
    lines = rendered(TerminalReport(table), width)
    assert max(cell_len(line) for line in lines) <= width
    assert figures_in(lines) == figures_of(table) + paired_figures_of(table)
    text = "\n".join(lines)
    # An ellipsis is between the ends of an interval, and nowhere in place of what did not fit.
    assert text.count("…") == sum(one.interval is not None for one in shown_differences(table))
    for name in (network, *table.columns):
        assert name in text


def test_quickstart_is_a_line_per_network_at_80(empty: Any) -> None:
    lines = rendered(terminal_table(quickstart(empty, "wrn-10-1", [0], None), width=80), 80)
    assert [line.split() for line in lines if line.strip(" ─")] == [
        ["network", "teacher", "ban", "ban+l", "cwtm", "dkpp", "ban-2", "ens*2"],
        ["wrn-10-1", "10.00", "11.37", "12.74", "14.11", "15.48", "16.85", "25.00"],
    ]


def test_quickstart_over_three_seeds_has_the_spread_below_at_80(empty: Any) -> None:
    lines = rendered(terminal_table(quickstart(empty, "wrn-10-1", [0, 1, 2], None), width=80), 80)
    spoken = [line.split() for line in lines if line.strip(" ─")]
    assert spoken[0] == ["network", "teacher", "ban", "ban+l", "cwtm", "dkpp", "ban-2", "ens*2"]
    assert spoken[1][:2] == ["wrn-10-1", "18.22"]
    assert len(spoken[1]) == 8
    assert spoken[2] == ["±", "8.22"] * 6 + ["±", "0.00"]
    assert len(spoken) == 3


def test_a_wide_terminal_has_the_papers_figure_in_the_line(plan: Plan, memory: Any) -> None:
    lines = rendered(TerminalReport(report_table(plan, memory, paper="table2")), 180)
    assert lines[1] == (
        "Test error, %: mean ± standard deviation over n = 3 seeds; in brackets the paper's (table 2) and ours minus "
        "the paper's, in percentage points"
    )
    (line,) = [line for line in lines if line.startswith("densenet-80-80 ")]
    assert "17.50 ± 0.50  (paper 17.16, +0.34)" in line
    assert "16.80 ± 0.44  (paper 16.36, +0.44)" in line
    (line,) = [line for line in lines if line.startswith("densenet-80-120 ")]
    assert "–  (paper 16.00)" in line


def test_narrower_terminals_put_it_below_then_turn_the_table(plan: Plan, memory: Any) -> None:
    table = report_table(plan, memory, paper="table2")
    below = rendered(terminal_table(table, width=100), 100)
    row = next(index for index, line in enumerate(below) if line.startswith("densenet-80-80 "))
    assert re.findall(r"\d+\.\d\d ± \d+\.\d\d", below[row]) == [
        "17.50 ± 0.50",
        "16.80 ± 0.44",
        "16.45 ± 0.07",
        "50.00 ± 0.00",
    ]
    assert re.findall(r"\([^)]*\)", below[row + 1]) == [
        "(17.16, +0.34)",
        "(16.36, +0.44)",
        "(16.30, +0.15)",
        "(15.46, +34.54)",
    ]
    turned = rendered(terminal_table(table, width=44), 44)
    assert any(line.split() == ["densenet-80-80", "densenet-80-120"] for line in turned)
    assert any(line.startswith("ban-2 ") for line in turned)


def test_the_narrowest_have_a_line_per_cell(plan: Plan, memory: Any) -> None:
    table = report_table(plan, memory, paper="table2")
    lines = [line.rstrip() for line in rendered(terminal_table(table, width=40), 40)]
    assert lines == [
        "densenet-80-80",
        "  teacher  17.50 ± 0.50 (17.16, +0.34)",
        "  ban      16.80 ± 0.44 (16.36, +0.44)",
        "  ban-2    16.45 ± 0.07 (16.30, +0.15)",
        "  ens*2    50.00 ± 0.00 (15.46, +34.54)",
        "densenet-80-120",
        "  teacher  16.88 (16.87, +0.00)",
        "  ban      – (16.00)",
        "  ens*2    – (15.13)",
    ]
    # In fewer characters a line breaks, and loses nothing.
    squeezed = rendered(terminal_table(table, width=20), 20)
    assert max(cell_len(line) for line in squeezed) <= 20
    assert figures_in(squeezed) == figures_of(table)


@pytest.mark.parametrize("width", [180, 80, 32])
def test_a_rehearsal_says_so_first_and_compares_nothing(plan: Plan, memory: Any, width: int) -> None:
    table = report_table(plan, memory, paper="table2", rehearsal=True)
    lines = rendered(TerminalReport(table), width)
    assert lines[0].startswith("REHEARSAL: ")
    text = " ".join(" ".join(lines).split())
    assert "these figures say nothing about the networks" in text
    assert "minus" not in text
    assert figures_in(lines) == figures_of(table)
    assert "17.16" in text


def test_notes_say_what_is_missing(plan: Plan, memory: Any) -> None:
    text = " ".join(" ".join(rendered(TerminalReport(report_table(plan, memory, paper=None)), 80)).split())
    assert "–: not finished (2 of 7 cells)" in text
    assert "n = 1 of 3 seeds so far: densenet-80-120 / teacher" in text
    assert "n = 2 of 3 seeds so far: densenet-80-80 / ban-2, densenet-80-80 / ens*2" in text
    assert "empty: not part of the sweep" in text


def test_a_whole_table_needs_no_notes(empty: Any) -> None:
    lines = rendered(TerminalReport(quickstart(empty, "wrn-10-1", [0], None)), 80)
    assert "Test error, %: one seed (0)" in lines
    assert not any(word in "\n".join(lines) for word in ("not finished", "so far", "empty", "interval", "noise"))


def test_differences_stand_below_the_table(plan: Plan, memory: Any) -> None:
    lines = [line.rstrip() for line in rendered(TerminalReport(report_table(plan, memory, paper=None)), 120)]
    assert lines[lines.index("Paired differences, percentage points (negative: the student is better)") + 1 :] == [
        "ban − teacher, densenet-80-80: -0.70 ± 0.30 (95 % interval -1.45 … +0.05, n = 3): within seed noise",
        "ban-2 − ban, densenet-80-80: -0.60 ± 0.14 (95 % interval -1.87 … +0.67, n = 2): within seed noise",
        "ban-2 − teacher, densenet-80-80: -1.30 ± 0.28 (95 % interval -3.84 … +1.24, n = 2): within seed noise",
        # 32 and 32.5: t(0.975; 1) = 12.7062 times 0.35355 / sqrt(2).
        "ens*2 − teacher, densenet-80-80: +32.25 ± 0.35 (95 % interval +29.07 … +35.43, n = 2): beyond seed noise",
    ]


def test_a_difference_of_one_seed_so_far_has_no_interval(plan: Plan, empty: Any) -> None:
    for seed in (3, 1):
        empty.put("densenet-80-80", "teacher", seed, 18.0)
    empty.put("densenet-80-80", "ban", 3, 17.5)
    lines = [line.rstrip() for line in rendered(TerminalReport(report_table(plan, empty, paper=None)), 120)]
    assert lines[-1] == "ban − teacher, densenet-80-80: -0.50 (n = 1): one seed, no interval"


def test_the_headline_says_how_many_seeds_there_are(plan: Plan, empty: Any) -> None:
    def headline_and_text() -> tuple[str, str]:
        lines = rendered(TerminalReport(report_table(plan, empty, paper=None)), 120)
        return lines[1].removeprefix("Test error, %: mean ± standard deviation over "), "\n".join(lines[2:])

    assert headline_and_text()[0] == "n = 3 seeds"
    empty.put("densenet-80-80", "teacher", 3, 18.0)
    headline, text = headline_and_text()
    assert headline == "n = 1 of 3 seeds so far"
    assert "so far" not in text
    empty.put("densenet-80-120", "teacher", 3, 18.0)
    empty.put("densenet-80-80", "teacher", 1, 17.0)
    headline, text = headline_and_text()
    assert headline == "up to 3 seeds"
    assert "n = 1 of 3 seeds so far: densenet-80-120 / teacher" in text
    assert "n = 2 of 3 seeds so far: densenet-80-80 / teacher" in text
    empty.put("densenet-80-80", "teacher", 2, 17.0)
    assert headline_and_text()[0] == "n = 3 seeds"
