"""What `gpu.py` measures on, and where its figures go: a line of JSON each, written at once, and tables of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from devices import wall_seconds
from random_images import StepsOnly, image_network, make_teacher, random_data, student

from bansweep.graph.events import CompileFailure
from bansweep.training.generation_run import GenerationRun
from bansweep.training.image_run import ImageRun

Row = dict[str, Any]

CLASSES = 100
ALL_VIEWS = 1e12
ENDLESS = 100_000


class Bench:
    """The device, sizes and time of a run of `gpu.py`, and its evidence.

    `small` replaces networks and batches by the smallest ones, for a check of the script itself.
    """

    def __init__(self, device: torch.device, evidence: Path, *, small: bool, seconds: float) -> None:
        self.device = device
        self.small = small
        self.batch = 8 if small else 128
        self.steps = 3 if small else 20
        self.size = 8 if small else 32
        self.rows: list[Row] = []
        self._evidence = evidence
        self._began = time.perf_counter()
        self._ends = self._began + seconds

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    @property
    def seconds_left(self) -> float:
        return self._ends - time.perf_counter()

    def say(self, section: str, **figures: object) -> None:
        """Print a row and append it to the evidence, so that nothing is lost where the run is ended."""
        at = round(time.perf_counter() - self._began, 1)
        row = json.loads(json.dumps({"at": at, "section": section, **figures}, default=str))
        self.rows.append(row)
        line = json.dumps(row)
        print(line, flush=True)
        with self._evidence.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def image_run(
        self,
        network: str,
        loss: str = "labels",
        *,
        precision: str = "bf16",
        room: float = 0,
        kind: type[ImageRun] = StepsOnly,
        steps: int | None = None,
        compiled: bool = False,
    ) -> ImageRun:
        """A student of a teacher of its own architecture, which is not evaluated. `room`: bytes for its logits."""
        data = random_data(self.batch * (steps or self.steps), size=self.size, classes=CLASSES)
        spec = image_network(network)
        teacher = None if loss == "labels" else make_teacher(spec, data, self.device, room)
        return kind(
            student(spec, loss, precision=precision, batch=self.batch, epochs=ENDLESS),
            data,
            teacher=teacher,
            device=self.device,
            compiled=compiled,
            on_compile_failure=not_compiled,
        )

    def step_times(self, run: GenerationRun, *, epochs: int = 3) -> Row:
        """The median duration of a step in ms, of the first epoch (with compiling) in s, and the peak memory in GB."""
        reports = run.epochs()
        started = wall_seconds(self.device)
        next(reports)
        first = wall_seconds(self.device) - started
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats(self.device)
        took = []
        for _ in range(epochs):
            started = wall_seconds(self.device)
            next(reports)
            took.append(wall_seconds(self.device) - started)
        milliseconds = 1e3 * sorted(took)[len(took) // 2] / run._steps
        row: Row = {"step_ms": round(milliseconds, 3), "first_epoch_s": round(first, 1)}
        if self.on_gpu:
            row["peak_gb"] = round(torch.cuda.max_memory_allocated(self.device) / 1e9, 2)
        return row


Section = Callable[[Bench], None]


def not_compiled(failure: CompileFailure) -> None:
    """For `ImageRun.on_compile_failure`: what was to be measured compiled is not measured otherwise."""
    raise RuntimeError(f"torch.compile failed: {failure.cause}")


def read_evidence(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def markdown(rows: Iterable[Row]) -> str:
    """A table for each section, with a column for each figure that one of its rows has."""
    sections: dict[str, list[Row]] = {}
    for row in rows:
        sections.setdefault(row["section"], []).append(row)
    return "\n".join(f"{name}:\n\n{_table(ones)}" for name, ones in sections.items())


def _table(rows: Sequence[Row]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row if name not in ("at", "section")))
    lines = [columns, ["---"] * len(columns), *([_cell(row.get(name)) for name in columns] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return "" if value is None else str(value).replace("|", "/").replace("\n", " ")
