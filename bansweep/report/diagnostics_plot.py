"""The diagnostics plot as SVG text: for each network a line of panels on what its students see of their teachers."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from bansweep.plan.events import EpochReport
from bansweep.plan.plan import Plan
from bansweep.report.diagnostics import StudentDiagnostics, student_diagnostics
from bansweep.report.diagnostics_figure import STYLE, diagnostics_figure
from bansweep.report.notation import REHEARSAL

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

# Text stays text, to be searched and read aloud; the ids of shared shapes come from a fixed salt and not from chance.
_SVG: Mapping[RcKeyType, Any] = {"svg.fonttype": "none", "svg.hashsalt": "bansweep"}


def diagnostics_svg(
    plan: Plan, histories: Mapping[str, Sequence[EpochReport]], *, rehearsal: bool = False
) -> str | None:
    """The text of an SVG picture, equal for equal arguments; None where no history has any of DIAGNOSTICS.

    `histories` maps generation ids to histories, as `recorded_diagnostics` gives them. Each network that has something
    gets a line of panels against the epoch, with a line for each column: the mean over those of its seeds that are in
    `histories`. A `rehearsal` is marked as one.
    """
    rows = student_diagnostics(plan, histories)
    if not rows:
        return None
    # Loaded only here: verbs that draw nothing need not wait for it.
    import matplotlib

    heading = f"{plan.sweep}: what students see of their teachers"
    if rehearsal:
        heading = f"{REHEARSAL} ({heading})"
    # The user's own matplotlibrc must not change the picture, nor the picture's style anything else.
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**STYLE, **_SVG})
        figure = diagnostics_figure(heading, rows)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Title": heading, "Date": None, "Creator": "bansweep"})
    return _described(text.getvalue(), _description(rows))


def _description(rows: Mapping[str, Sequence[StudentDiagnostics]]) -> str:
    columns = dict.fromkeys(student.column for row in rows.values() for student in row)
    return (
        "Line charts against the epoch, four for each network: the sizes of the ground-truth and the dark-knowledge "
        "part of the distillation gradient, the signed ground-truth part, quantiles of each teacher's largest "
        "probability, and the percentage of samples for which teacher and student give the same class. "
        f"Networks: {', '.join(rows)}. Students: {', '.join(columns)}."
    )


def _described(svg: str, description: str) -> str:
    """The SVG with a description for those who cannot see it. matplotlib itself writes the title, and no more."""
    named = svg.replace("<svg ", '<svg role="img" aria-labelledby="title description" ', 1)
    return named.replace("<title>", '<title id="title">', 1).replace(
        "</title>", f'</title>\n <desc id="description">{escape(description)}</desc>', 1
    )
