"""Markdown against golden text, and read back."""

from __future__ import annotations

import re
from typing import Any

from bansweep.graph.plan import Plan, select
from bansweep.report.markdown import markdown
from bansweep.report.table import report_table

GOLDEN = r"""# example

Test error, %: mean ± standard deviation over n = 3 seeds; in brackets the paper's (table 2) and ours minus the \
paper's, in percentage points.

Paper: CIFAR-100: DenseNets by distillation loss, by generation, and as ensembles.

| network         |                     teacher |                         ban |                       ban-2 | \
                      ens\*2 |
| --------------- | --------------------------: | --------------------------: | --------------------------: | \
---------------------------: |
| densenet-80-80  | 17.50 ± 0.50 (17.16, +0.34) | 16.80 ± 0.44 (16.36, +0.44) | 16.45 ± 0.07 (16.30, +0.15) | \
50.00 ± 0.00 (15.46, +34.54) |
| densenet-80-120 |        16.88 (16.87, +0.00) |                   – (16.00) |                             | \
                   – (15.13) |

- –: not finished (2 of 7 cells)
- n = 1 of 3 seeds so far: densenet-80-120 / teacher
- n = 2 of 3 seeds so far: densenet-80-80 / ban-2, densenet-80-80 / ens\*2
- empty: not part of the sweep

## Student minus teacher

Percentage points, negative where the student is better: mean ± standard deviation of the differences seed by seed, \
and the paired t-interval of their mean. Within seed noise: the interval contains 0.

| network         |    difference |    mean ± sd |   n | 95 % interval |           verdict |
| --------------- | ------------: | -----------: | --: | ------------: | ----------------: |
| densenet-80-80  | ban − teacher | -0.70 ± 0.30 |   3 | -1.45 … +0.05 | within seed noise |
| densenet-80-80  |   ban-2 − ban | -0.60 ± 0.14 |   2 | -1.87 … +0.67 | within seed noise |
| densenet-80-120 | ban − teacher |            – |   0 |               |                   |

## Minus baseline

Likewise, from the network that learnt from labels and began the chain of teachers.

| network         |       difference |     mean ± sd |   n |   95 % interval |           verdict |
| --------------- | ---------------: | ------------: | --: | --------------: | ----------------: |
| densenet-80-80  |  ban-2 − teacher |  -1.30 ± 0.28 |   2 |   -3.84 … +1.24 | within seed noise |
| densenet-80-80  | ens\*2 − teacher | +32.25 ± 0.35 |   2 | +29.07 … +35.43 | beyond seed noise |
| densenet-80-120 | ens\*2 − teacher |             – |   0 |                 |                   |
""".replace("\\\n", "")


def tables(text: str) -> list[list[list[str]]]:
    """Every pipe table in the text as rows of unescaped cells, without its rule."""
    found: list[list[list[str]]] = []
    for block in text.split("\n\n"):
        if block.startswith("|"):
            rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.strip().splitlines()]
            found.append([[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in row] for row in (rows[0], *rows[2:])])
    return found


def test_golden(plan: Plan, memory: Any) -> None:
    assert markdown(report_table(plan, memory, paper="table2")) == GOLDEN


def test_reads_back(plan: Plan, memory: Any) -> None:
    table = report_table(plan, memory, paper="table2")
    (header, *rows), *_ = tables(markdown(table))
    assert header == ["network", *table.columns]
    assert [row[0] for row in rows] == list(table.rows)
    for row in rows:
        assert len(row) == len(header)
        for column, text in zip(header[1:], row[1:], strict=True):
            cell = table.cell(row[0], column)
            figures = [float(figure) for figure in re.findall(r"[+-]?\d+\.\d+", text)]
            known = () if cell is None else (cell.mean, cell.sd, cell.paper, cell.difference)
            expected = [figure for figure in known if figure is not None]
            assert len(figures) == len(expected)
            assert all(abs(figure - value) <= 0.005 + 1e-9 for figure, value in zip(figures, expected, strict=True))


def test_a_rehearsal_is_marked_and_compared_with_nothing(plan: Plan, memory: Any) -> None:
    text = markdown(report_table(plan, memory, paper="table2", rehearsal=True))
    assert text.startswith("# example\n\n> **REHEARSAL: ")
    assert "| densenet-80-80  | 17.50 ± 0.50 (17.16) | 16.80 ± 0.44 (16.36) |" in text
    assert "minus" not in text
    assert len(tables(text)) == 1


def test_one_seed_has_no_spread_and_no_paper_no_brackets(plan: Plan, memory: Any) -> None:
    part = select(plan, ["densenet-80-80"])
    single = type(part)(
        part.sweep,
        part.rows,
        part.columns,
        part.generations,
        tuple(cell for cell in part.cells if cell.replica_seed == 3),
        tuple(cell for cell in part.ensembles if cell.replica_seed == 3),
    )
    text = markdown(report_table(single, memory, paper=None))
    assert text.startswith("# example\n\nTest error, %: one seed (3).\n\n| network        | teacher |")
    assert "| densenet-80-80 |   18.00 | 17.00 | 16.50 |  50.00 |" in text
    assert "| network        | ban − teacher | ban-2 − ban |" in text
    assert "| densenet-80-80 |         -1.00 |       -0.50 |" in text
    assert "| network        | ban-2 − teacher |" in text
    assert text.count("A single seed gives no interval") == 1
    assert "noise" not in text
    assert "±" not in text
    assert "(1" not in text
