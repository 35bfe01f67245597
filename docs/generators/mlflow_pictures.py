"""Takes docs/pictures/mlflow-*.png: MLflow's pages on a store that holds the quickstart.

::

    bansweep run sweeps/quickstart.yaml --store STORE
    python docs/generators/mlflow_pictures.py STORE

Wants Chromium (Debian's package `chromium`). `bansweep ui` is started and ended; nothing in the store changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

from browser import Browser, browser, chromium
from mlflow import MlflowClient

from bansweep.tracking.client import open_client

SWEEP = "quickstart"
COLUMNS = ["metrics.`final_test_error`", "metrics.`training_seconds`", "tags.`bansweep.chain`", "attributes.`Models`"]
FILTER = "tags.bansweep.network = 'wrn-10-1' AND tags.bansweep.loss = 'kd'"


@contextlib.contextmanager
def mlflow_ui(store: Path) -> Iterator[str]:
    """`bansweep ui`: its address."""
    command = [sys.executable, "-m", "bansweep", "ui", "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield next(found[1] for line in process.stdout if (found := re.search(r"UI: (http://\S+)", line)))
        finally:
            process.terminate()


async def settle(page: Browser, address: str, number: str) -> None:
    """What a user sets once: training, not language agents; no assistant; the columns."""
    await page.open(f"{address}/#/experiments/{number}/runs", "Run Name")
    await page.click("Model training")
    await page.evaluate("[...document.querySelectorAll('button')].filter(one => one.ariaLabel === 'Close')[0]?.click()")
    await page.evaluate(
        f"""for (const key of Object.keys(localStorage).filter(one => one.includes('ExperimentPage-["{number}"]'))) {{
            const state = {{...JSON.parse(localStorage[key]), selectedColumns: {COLUMNS}}}
            localStorage[key] = JSON.stringify(state)
        }}"""
    )


def runs_at(address: str, number: str, condition: str, *, charts: bool = False) -> str:
    """The address of the table or the charts of the runs for which `condition` holds, best first."""
    shown = {"searchFilter": condition, "orderByKey": "metrics.`final_test_error`", "orderByAsc": "true"}
    query = urllib.parse.urlencode(
        {**shown, "compareRunsMode": "CHART"} if charts else shown, quote_via=urllib.parse.quote
    )
    return f"{address}/#/experiments/{number}/runs?{query}"


async def hide_buttons(page: Browser) -> None:
    """Those of Plotly, which lie over its curves."""
    await page.evaluate(
        "document.head.append(Object.assign(document.createElement('style'), "
        "{textContent: '.modebar {display: none}'}))"
    )


async def take(executable: str, address: str, client: MlflowClient) -> None:
    """All pictures."""
    experiment = client.get_experiment_by_name(SWEEP)
    assert experiment is not None, f"the store holds no sweep {SWEEP}"
    number = experiment.experiment_id
    [last] = client.search_runs([number], "tags.bansweep.column = 'ban-2'")
    async with browser(executable) as page:
        await settle(page, address, number)
        await page.open(runs_at(address, number, FILTER), "ban-2")
        await page.picture("mlflow-filter", 420)
        await page.open(runs_at(address, number, "tags.bansweep.level = 'generation'", charts=True), "Model metrics")
        await page.evaluate("document.querySelector('input[placeholder=\"Search metric charts\"]').focus()")
        await page.call("Input.insertText", text="^(test_error|train_loss)$")
        await hide_buttons(page)
        await asyncio.sleep(5)
        await page.picture("mlflow-curves", 700)
        await page.open(f"{address}/#/experiments/{number}/runs/{last.info.run_id}", "lineage")
        await asyncio.sleep(5)  # what is drawn anew forgets a click
        await page.click("Show more")
        await page.picture("mlflow-run")
        await page.open(f"{address}/#/experiments/{number}/runs/{last.info.run_id}/system-metrics", "process_cpu")
        await hide_buttons(page)
        await asyncio.sleep(10)  # the charts come one by one
        await page.picture("mlflow-system", 600)
        await page.open(f"{address}/#/models/{SWEEP}.wrn-10-1.ban", "Registered at")
        await page.picture("mlflow-model")


def main() -> int:
    executable = chromium()
    if executable is None or len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    store = Path(sys.argv[1]).absolute()
    with mlflow_ui(store) as address:
        asyncio.run(take(executable, address, open_client(f"sqlite:///{store / 'mlflow.db'}")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
