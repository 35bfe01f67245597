"""The report as LaTeX: a table in the paper's style, with booktabs; each network has our line and the paper's."""

from __future__ import annotations

from collections.abc import Iterator

from bansweep.report.cells import ReportCell
from bansweep.report.notation import REHEARSAL, figures_text, notes, paper_name, paper_title
from bansweep.report.table import ReportTable

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "×": r"$\times$",
    "±": r"$\pm$",
    "−": "$-$",
    **{character: f"\\{character}" for character in "&%$#_"},
}


def latex(table: ReportTable) -> str:
    r"""A `table` environment, to be `\input` into a document that loads booktabs.

    Each network has a line of means with their standard deviations, and below it one of the paper's figures where it
    has any. The caption explains missing figures.
    """
    columns = "r" * len(table.columns)
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{_caption(table)}}}",
        f"  \\label{{tab:{_label(table.sweep)}}}",
        f"  \\begin{{tabular}}{{@{{}}l{columns}@{{}}}}",
        r"    \toprule",
        _line("Network", *map(escaped, table.columns)),
        r"    \midrule",
        *(line for row in table.rows for line in _network(table, row)),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text in which LaTeX sees no command: names may hold any of its special characters."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def _network(table: ReportTable, row: str) -> Iterator[str]:
    cells = [table.cell(row, column) for column in table.columns]
    yield _line(escaped(row), *map(_figure, cells))
    if any(cell is not None and cell.paper is not None for cell in cells):
        yield _line(r"\quad paper", *map(_paper_figure, cells))


def _figure(cell: ReportCell | None) -> str:
    if cell is None:
        return ""
    if cell.mean is None:
        return "--"
    spread = "" if cell.sd is None else rf" \pm {cell.metric.text(cell.sd)}"
    return f"${_number(cell, cell.mean)}{spread}$"


def _paper_figure(cell: ReportCell | None) -> str:
    return "" if cell is None or cell.paper is None else f"${_number(cell, cell.paper)}$"


def _number(cell: ReportCell, value: float) -> str:
    """An infinite perplexity is a result, too."""
    return {"inf": r"\infty", "nan": r"\mathrm{nan}"}.get(text := cell.metric.text(value), text)


def _line(*entries: str) -> str:
    return f"    {' & '.join(entries)} \\\\"


def _caption(table: ReportTable) -> str:
    sentences = [table.sweep, figures_text(table)]
    if table.rehearsal:
        sentences.insert(0, REHEARSAL)
    if table.paper is not None:
        sentences.append(f"The paper's {paper_name(table)}: {paper_title(table)}")
    return " ".join(f"{escaped(sentence)}." for sentence in (*sentences, *notes(table)))


def _label(sweep: str) -> str:
    """Letters, digits and hyphens, which are safe in labels with every package."""
    return "".join(character if character.isascii() and character.isalnum() else "-" for character in sweep)
