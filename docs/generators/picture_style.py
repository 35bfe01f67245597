"""How the drawn pictures of the documentation look.

Everything is grey: what colours would tell, hatches, dashes and labels do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

FOLDER = Path(__file__).parents[1] / "pictures"
DARK, MIDDLE, LIGHT = "#222222", "#777777", "#c4c4c4"
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "bansweep",
    "svg.fonttype": "path",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MIDDLE,
    "hatch.linewidth": 0.6,
    "savefig.facecolor": "white",  # to be read on dark pages as well
}


def save(figure: Figure, name: str, title: str, description: str | None = None) -> Path:
    """Write docs/pictures/NAME.svg, the same bytes each time, and close the figure."""
    path = FOLDER / f"{name}.svg"
    FOLDER.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None, "Title": title, "Description": description})
    plt.close(figure)
    return path
