"""Takes docs/pictures/report-*.png: the HTML page of a sweep that a store holds.

::

    bansweep run sweeps/cpu/cifar10.yaml --store STORE
    python docs/generators/report_pictures.py STORE sweeps/cpu/cifar10.yaml

Wants Chromium (Debian's package `chromium`). Nothing in the store changes.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from browser import HEIGHT, Browser, browser, chromium

from bansweep.report.document import Outcome
from bansweep.service.generation_states import generation_states
from bansweep.service.request import sweep_request
from bansweep.service.sweep_report import sweep_report

# Pictures by the headings that they begin at, with their heights.
SECTIONS = {"report-table": ("h1", HEIGHT), "report-generations": ("#chains", 620), "report-lineage": ("#lineage", 620)}


def page_of(store: str, sweep: Path) -> str:
    """The HTML page of a sweep, as `bansweep report --format html` writes it."""
    request = sweep_request(sweep, store, None)
    states = generation_states(request.plan, request.store)
    return sweep_report(request, states.ends, Outcome(reused=tuple(states.finished))).page


async def take(executable: str, page: str) -> None:
    """All pictures."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.html"
        file.write_text(page, encoding="utf-8")
        async with browser(executable) as shown:
            await shown.open(file.as_uri(), "Table")
            for name, (heading, height) in SECTIONS.items():
                await shown.picture(name, height, await top_of(shown, heading))


async def top_of(shown: Browser, heading: str) -> int:
    """How far below the top of the page a heading is, in pixels, with some air above it."""
    top = await shown.evaluate(f"document.querySelector({heading!r}).getBoundingClientRect().top + window.scrollY")
    return max(0, int(top) - 16)


def main() -> int:
    executable = chromium()
    if executable is None or len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    asyncio.run(take(executable, page_of(sys.argv[1], Path(sys.argv[2]))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
