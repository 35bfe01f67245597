"""Keeps what results rest on: records, histories and reports of sweeps, without weights and predictions.

::

    python docs/generators/results_kept.py STORE FOLDER SWEEP...

copies from STORE what the sweep files SWEEP... stand for into FOLDER, which is below results/, and leaves what is there
already. `docs/generators/results.py` makes docs/results.md of it.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bansweep.config.sweep import SweepSpec
from bansweep.graph.plan import Plan
from bansweep.report.document import Outcome
from bansweep.service.generation_states import generation_states
from bansweep.service.request import SweepRequest, sweep_request
from bansweep.service.sweep_report import sweep_report
from bansweep.store.layout import HISTORY_FILE, RECORD_FILE
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store

REPORT_FILE = "report.json"
MACHINE_FILE = "machine.txt"
REMARKS_FILE = "remarks.md"


@dataclass(frozen=True)
class KeptSweep:
    """A sweep of which a folder below results/ may have something."""

    file: Path
    folder: Path

    @cached_property
    def spec(self) -> SweepSpec:
        return self._request.spec

    @cached_property
    def plan(self) -> Plan:
        return self._request.plan

    @property
    def store(self) -> Store:
        return Store(self.folder)

    @cached_property
    def records(self) -> dict[str, GenerationRecord]:
        """The finished generations' records, by id."""
        found = {one: self.store.record(one) for one in self.plan.generations}
        return {one: record for one, record in found.items() if record is not None}

    @cached_property
    def report(self) -> dict[str, Any]:
        """What `bansweep report --json` said of the whole store."""
        path = self.folder / "sweeps" / self.spec.name / REPORT_FILE
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return document

    @property
    def machine(self) -> str:
        """One line about what it was run on."""
        return (self.folder / MACHINE_FILE).read_text(encoding="utf-8").strip()

    @cached_property
    def remarks(self) -> str:
        """What somebody wrote about what looked odd in the figures, in Markdown; nothing where nothing did."""
        path = self.folder / "sweeps" / self.spec.name / REMARKS_FILE
        return path.read_text(encoding="utf-8").strip() if path.is_file() else ""

    @cached_property
    def _request(self) -> SweepRequest:
        return sweep_request(self.file, str(self.folder), None)


def keep(store: Path, folder: Path, sweep_file: Path) -> int:
    """Copy one sweep's records and histories, and report on it; returns how many generations are new here."""
    request = sweep_request(sweep_file, str(store), None)
    new = 0
    for generation_id in request.plan.generations:
        record = request.store.record(generation_id)
        kept = folder / "generations" / generation_id
        if record is None or (kept / RECORD_FILE).exists():
            continue
        source = store / "generations" / generation_id
        (kept / record.folder).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / record.folder / HISTORY_FILE, kept / record.folder / HISTORY_FILE)
        shutil.copyfile(source / RECORD_FILE, kept / RECORD_FILE)
        new += 1
    # Made here: ensembles need predictions, which are not kept.
    states = generation_states(request.plan, request.store)
    report = sweep_report(request, states.ends, Outcome(reused=tuple(states.finished)))
    reports = folder / "sweeps" / request.spec.name
    reports.mkdir(parents=True, exist_ok=True)
    (reports / REPORT_FILE).write_text(json.dumps(report.document, indent=1) + "\n", encoding="utf-8")
    return new


def main() -> int:
    if len(sys.argv) < 4:
        print(__doc__)
        return 2
    store, folder, *files = map(Path, sys.argv[1:])
    for file in files:
        print(f"{file}: {keep(store, folder, file)} new generations in {folder}")
    if not (folder / MACHINE_FILE).exists():
        print(f"write a line about the machine into {folder / MACHINE_FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
