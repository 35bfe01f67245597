r"""The report as LaTeX, against text written by hand, and compiled where there is a pdflatex."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bansweep.graph.plan import Plan
from bansweep.report.latex import escaped, latex
from bansweep.report.table import ReportTable, report_table

BESIDE_THE_PAPER = r"""% \usepackage{booktabs}
\begin{table}
  \centering
  \caption{example. Test error, \%: mean $\pm$ standard deviation over n = 3 seeds. The paper's table 2: CIFAR-100: DenseNets by distillation loss, by generation, and as ensembles. --: not finished (2 of 7 cells). n = 1 of 3 seeds so far: densenet-80-120 / teacher. n = 2 of 3 seeds so far: densenet-80-80 / ban-2, densenet-80-80 / ens*2. empty: not part of the sweep.}
  \label{tab:example}
  \begin{tabular}{@{}lrrrr@{}}
    \toprule
    Network & teacher & ban & ban-2 & ens*2 \\
    \midrule
    densenet-80-80 & $17.50 \pm 0.50$ & $16.80 \pm 0.44$ & $16.45 \pm 0.07$ & $50.00 \pm 0.00$ \\
    \quad paper & $17.16$ & $16.36$ & $16.30$ & $15.46$ \\
    densenet-80-120 & $16.88$ & -- &  & -- \\
    \quad paper & $16.87$ & $16.00$ &  & $15.13$ \\
    \bottomrule
  \end{tabular}
\end{table}
"""  # noqa: E501


@pytest.fixture
def table(plan: Plan, memory: Any) -> ReportTable:
    return report_table(plan, memory, paper="table2")


def test_beside_the_paper(table: ReportTable) -> None:
    assert latex(table) == BESIDE_THE_PAPER


def test_without_the_paper_a_network_has_one_line(plan: Plan, memory: Any) -> None:
    text = latex(report_table(plan, memory, paper=None))
    assert "paper" not in text
    assert [line.split(" & ")[0].strip() for line in text.splitlines() if " & " in line] == [
        "Network",
        "densenet-80-80",
        "densenet-80-120",
    ]


def test_an_infinite_perplexity(text_plan: Plan, text_memory: Any) -> None:
    generation_id = text_memory.id_at("lstm", "ban", 0)
    metrics = text_memory.records[generation_id].metrics
    text_memory.records[generation_id] = replace(
        text_memory.records[generation_id], metrics={**metrics, "test_perplexity": float("inf")}
    )
    assert r"$\infty$" in latex(report_table(text_plan, text_memory, paper="table6"))


def test_names_hold_no_commands() -> None:
    assert escaped(r"a_b & 50 % $x$ #1 {y} \input ~^") == (
        r"a\_b \& 50 \% \$x\$ \#1 \{y\} \textbackslash{}input \textasciitilde{}\textasciicircum{}"
    )


def test_a_rehearsal_says_so(plan: Plan, memory: Any) -> None:
    assert r"\caption{REHEARSAL:" in latex(report_table(plan, memory, paper="table2", rehearsal=True))


def test_every_line_has_as_many_entries_as_there_are_columns(table: ReportTable) -> None:
    text = latex(table)
    specification = re.search(r"\\begin\{tabular\}\{@\{\}([lr]+)@\{\}\}", text)
    assert specification is not None
    entries = {line.count("&") + 1 for line in text.splitlines() if line.endswith(r"\\")}
    assert entries == {len(specification[1])}


def test_it_compiles(table: ReportTable, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex")
    source = r"\documentclass{article}\usepackage{booktabs}\begin{document}" + latex(table) + r"\end{document}"
    (tmp_path / "page.tex").write_text(source, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"], cwd=tmp_path, capture_output=True
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")
