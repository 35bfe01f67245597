"""How much of a large sweep the page shows: what is more than that is left out, and a sentence says so."""

from __future__ import annotations

GENERATIONS = 300
"""Nodes of the lineage graph, and records."""
CHARTS = 12
"""Charts of one kind, one for each network."""
LINES = 12
"""Lines in one chart: more cannot be told apart."""
SEEDS = 10
"""Histories that one line of a training curve is the mean of."""
EPOCHS = 100
"""Points of a line, and lines of the table beside it."""
POINTS = 1000
"""Students in the scatter plot."""
ENSEMBLES = 24
"""Ensembles in the picture, and in the table beside it."""
DIFFERENCES = 300
"""Students minus teachers, and minus baselines."""
COMMANDS = 300
"""Cells whose command is spelt out."""


def left_out(shown: int, total: int, what: str, where: str = "report.csv has them all") -> str:
    """`12 of 100 networks are shown, the first in the sweep's order; ...`; nothing where all are."""
    if shown >= total:
        return ""
    return f"{shown:,} of {total:,} {what} are shown, the first in the sweep's order; {where}."
