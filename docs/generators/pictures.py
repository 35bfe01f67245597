"""Draws docs/pictures/*.svg from a store that holds the quickstart, trained with diagnostics.

::

    bansweep run sweeps/quickstart.yaml --set diagnostics=true --store STORE
    python docs/generators/pictures.py STORE
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from picture_style import DARK, LIGHT, MIDDLE, STYLE, save

from bansweep.config.data import is_text
from bansweep.data.datasets import ImageData, load_images
from bansweep.data.prepare import prepare
from bansweep.service.request import sweep_request
from bansweep.store.parquet_tables import Predictions

ROOT = Path(__file__).parents[2]


class Quickstart:
    """What the store holds of the quickstart, by column."""

    def __init__(self, store: str) -> None:
        request = sweep_request(ROOT / "sweeps" / "quickstart.yaml", store, ["diagnostics=true"])
        self._store = request.store
        self._ids = {cell.column: cell.generation_id for cell in request.plan.cells}
        data = request.spec.data
        assert not is_text(data)
        self.data: ImageData = load_images(data, prepare(data))

    def probabilities(self, column: str) -> Any:
        """(N, C): what a column's generation says of the test images."""
        predictions = self._store.predictions(self._ids[column])
        assert isinstance(predictions, Predictions)
        return predictions.probabilities_NC

    def error(self, column: str) -> float:
        """In percent, of the test images."""
        record = self._store.record(self._ids[column])
        assert record is not None
        return record.metrics["test_error"]

    def curve(self, column: str, metric: str) -> list[float]:
        """A metric after every epoch."""
        return [report.metrics[metric] for report in self._store.history(self._ids[column])]

    @property
    def labels_N(self) -> Any:
        return np.asarray(self.data.test.labels_N)

    @property
    def columns(self) -> list[str]:
        return list(self._ids)


def dark_knowledge(quickstart: Quickstart) -> Figure:
    """Three images that the teacher gets right without being sure, and what else it takes them for."""
    probabilities_NC = quickstart.probabilities("teacher")
    chosen = _least_sure(probabilities_NC, quickstart.labels_N)[:3]
    figure, axes = plt.subplots(2, 3, figsize=(7, 3), height_ratios=(1, 1.4), layout="constrained")
    for column, index in enumerate(chosen):
        image: Axes = axes[0, column]
        image.imshow(quickstart.data.test.images_NHWC[index, :, :, 0], cmap="gray_r")
        image.set_axis_off()
        label = int(quickstart.labels_N[index])
        image.set_title(f"labelled {label}")
        _bars(axes[1, column], probabilities_NC[index], label)
    axes[1, 0].set_ylabel("teacher's probability")
    return figure


def _least_sure(probabilities_NC: Any, labels_N: Any) -> Any:
    """Test images by how sure the teacher is, of those that it gets right."""
    right = np.flatnonzero(probabilities_NC.argmax(axis=1) == labels_N)
    return right[np.argsort(probabilities_NC[right].max(axis=1), kind="stable")]


def _bars(axes: Axes, probabilities_C: Any, marked: int) -> None:
    bars = axes.bar(range(len(probabilities_C)), probabilities_C, color=LIGHT, edgecolor=DARK, linewidth=0.6)
    bars[marked].set_facecolor(DARK)
    axes.set_xticks(range(len(probabilities_C)))
    axes.set_ylim(0, 1)
    axes.set_xlabel("class")


def born_again(quickstart: Quickstart) -> Figure:
    """Test error of every column, and of the ensemble."""
    names = [*quickstart.columns, "ens*2"]
    mean_NC = (quickstart.probabilities("ban") + quickstart.probabilities("ban-2")) / 2
    errors = [quickstart.error(name) for name in quickstart.columns]
    errors.append(100 * float((mean_NC.argmax(axis=1) != quickstart.labels_N).mean()))
    figure, axes = plt.subplots(figsize=(7, 2.4), layout="constrained")
    bars = axes.bar(names, errors, color=LIGHT, edgecolor=DARK, linewidth=0.6, width=0.6)
    bars[0].set_facecolor(DARK)
    bars[-1].set_hatch("///")
    axes.axhline(errors[0], color=MIDDLE, linestyle=":", linewidth=1)
    axes.bar_label(bars, [f"{error:.2f}" for error in errors], padding=2)
    axes.set_ylabel("test error, %")
    axes.set_ylim(0, 1.2 * max(errors))
    return figure


def gradient_parts(quickstart: Quickstart) -> Figure:
    """How large the two parts of the KD gradient are while `ban` learns."""
    figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
    parts = {
        "ground truth: |q − p| of the right class": ("kd_gradient_ground_truth_size", DARK, "-"),
        "dark knowledge: L2 norm over the wrong classes": ("kd_gradient_dark_knowledge_size", MIDDLE, "--"),
    }
    for name, (metric, colour, dashes) in parts.items():
        values = quickstart.curve("ban", metric)
        axes.plot(range(1, len(values) + 1), values, color=colour, linestyle=dashes, label=name)
    axes.set_xlabel("epoch")
    axes.set_ylabel("mean over samples")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return figure


def cwtm_weights(quickstart: Quickstart) -> Figure:
    """What CWTM makes of a batch: each sample's weight by its teacher's confidence, times the batch's size."""
    size = 32
    most_B = np.sort(quickstart.probabilities("teacher")[:size].max(axis=1))
    weights_B = most_B / most_B.sum()
    figure, axes = plt.subplots(figsize=(7, 2.2), layout="constrained")
    axes.bar(range(1, size + 1), size * weights_B, color=LIGHT, edgecolor=DARK, linewidth=0.6)
    axes.axhline(1, color=DARK, linestyle="--", linewidth=1)
    axes.annotate("all alike", (0.4, 1.03), color=DARK)
    axes.set_xlabel("the samples of a batch, the least sure one first")
    axes.set_ylabel("weight × batch size")
    axes.set_ylim(0, 1.35)
    return figure


def dkpp(quickstart: Quickstart) -> Figure:
    """A teacher's answer, and two permutations of it that keep its largest entry in place."""
    probabilities_NC = quickstart.probabilities("teacher")
    index = _least_sure(probabilities_NC, quickstart.labels_N)[0]
    answer_C = probabilities_NC[index]
    top = int(answer_C.argmax())
    others = np.delete(np.arange(len(answer_C)), top)
    chance = np.random.default_rng(0)
    figure, axes = plt.subplots(1, 3, figsize=(7, 1.9), sharey=True, layout="constrained")
    for number, panel in enumerate(axes):
        shown_C = answer_C.copy()
        if number:
            shown_C[others] = answer_C[chance.permutation(others)]
        _bars(panel, shown_C, top)
        panel.set_title(("the teacher's", "permuted", "permuted once more")[number])
    axes[0].set_ylabel("probability")
    return figure


def ensemble(quickstart: Quickstart) -> Figure:
    """An image that one member gets wrong and the mean gets right."""
    members = {name: quickstart.probabilities(name) for name in ("ban", "ban-2")}
    mean_NC = sum(members.values()) / len(members)
    labels_N = quickstart.labels_N
    right_N = mean_NC.argmax(axis=1) == labels_N
    helped = np.flatnonzero(right_N & (members["ban-2"].argmax(axis=1) != labels_N))
    index = int((helped if len(helped) else np.flatnonzero(right_N))[0])
    figure, axes = plt.subplots(1, 3, figsize=(7, 1.9), sharey=True, layout="constrained")
    for panel, (name, said_NC) in zip(axes, {**members, "ens*2: their mean": mean_NC}.items(), strict=True):
        _bars(panel, said_NC[index], int(labels_N[index]))
        panel.set_title(f"{name} says {int(said_NC[index].argmax())}")
    axes[0].set_ylabel("probability")
    return figure


PICTURES: dict[str, Callable[[Quickstart], Figure]] = {
    "dark-knowledge": dark_knowledge,
    "born-again": born_again,
    "gradient-parts": gradient_parts,
    "cwtm-weights": cwtm_weights,
    "dkpp": dkpp,
    "ensemble": ensemble,
}


def main() -> None:
    quickstart = Quickstart(sys.argv[1])
    with mpl.rc_context(STYLE):
        for name, draw in PICTURES.items():
            save(draw(quickstart), name, (draw.__doc__ or "").strip())


if __name__ == "__main__":
    main()
