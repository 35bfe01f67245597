"""Takes docs/pictures/mlflow-*.png: MLflow's pages on a store that holds the quickstart.

::

    bansweep run sweeps/quickstart.yaml --store STORE
    python docs/generators/mlflow_pictures.py STORE

Wants Chromium (Debian's package `chromium`). `bansweep ui` is started and ended; nothing in the store changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
from mlflow import MlflowClient
from PIL import Image

from bansweep.tracking.client import open_client

FOLDER = Path(__file__).parents[1] / "pictures"
SWEEP = "quickstart"
WIDTH, HEIGHT = 1280, 800
COLOURS = 128  # a screen of text has few, and a palette of them makes small files
COLUMNS = ["metrics.`final_test_error`", "metrics.`training_seconds`", "tags.`bansweep.chain`", "attributes.`Models`"]
FILTER = "tags.bansweep.network = 'wrn-10-1' AND tags.bansweep.loss = 'kd'"


class Browser:
    """A page of headless Chromium, over its DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0

    async def call(self, method: str, **params: Any) -> Any:
        """The result of one of the protocol's methods."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        async for message in self._socket:
            answer = message.json()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
        raise RuntimeError("Chromium has ended")

    async def evaluate(self, expression: str) -> Any:
        """What a line of JavaScript is, on the page."""
        result = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        return result["result"].get("value")

    async def wait_for(self, expression: str, seconds: float = 60) -> None:
        """Until a line of JavaScript is true."""
        for _ in range(int(seconds / 0.5)):
            if await self.evaluate(expression):
                return
            await asyncio.sleep(0.5)
        raise TimeoutError(
            f"not true within {seconds:g} s: {expression}\n{await self.evaluate('document.body.innerText')}"
        )

    async def open(self, address: str, text: str) -> None:
        """Open a page and wait until it says `text`."""
        await self.call("Page.navigate", url="about:blank")
        await self.call("Page.navigate", url=address)
        await self.wait_for(f"document.body && document.body.innerText.includes({text!r})")
        await asyncio.sleep(3)  # for what is drawn after it

    async def click(self, text: str) -> None:
        """Click on the smallest element that says just this."""
        found = f"[...document.querySelectorAll('*')].filter(one => one.innerText === {text!r})"
        await self.wait_for(f"{found}.length > 0")
        await self.evaluate(f"{found}.pop().click()")
        await asyncio.sleep(1)

    async def picture(self, name: str, height: int = HEIGHT) -> None:
        """Save what is seen, from the top to `height`."""
        view = {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1}
        taken = await self.call("Page.captureScreenshot", clip=view)
        image = Image.open(io.BytesIO(b64decode(taken["data"]))).convert("RGB")
        path = FOLDER / f"{name}.png"
        image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


@contextlib.asynccontextmanager
async def browser(executable: str) -> AsyncIterator[Browser]:
    """Chromium with one page."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [executable, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--lang=en-GB"]
        command += [f"--user-data-dir={folder}", "--remote-debugging-port=0", f"--window-size={WIDTH},{HEIGHT}"]
        process = await asyncio.create_subprocess_exec(
            *command, "about:blank", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            port = await _debugging_port(Path(folder) / "DevToolsActivePort")
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                    page = next(one for one in await answer.json() if one["type"] == "page")
                async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    opened = Browser(socket)
                    size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
                    await opened.call("Emulation.setDeviceMetricsOverride", **size)
                    yield opened
        finally:
            process.terminate()
            await process.wait()


async def _debugging_port(file: Path) -> int:
    for _ in range(120):
        if file.is_file() and (said := file.read_text()):
            return int(said.splitlines()[0])
        await asyncio.sleep(0.5)
    raise TimeoutError("Chromium does not say its port")


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
        # Plotly's buttons would lie over the curves.
        await page.evaluate(
            "document.head.append(Object.assign(document.createElement('style'), "
            "{textContent: '.modebar {display: none}'}))"
        )
        await asyncio.sleep(5)
        await page.picture("mlflow-curves", 700)
        await page.open(f"{address}/#/experiments/{number}/runs/{last.info.run_id}", "lineage")
        await page.click("Show more")
        await page.picture("mlflow-run")
        await page.open(f"{address}/#/models/{SWEEP}.wrn-10-1.ban", "Registered at")
        await page.picture("mlflow-model")


def main() -> int:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None or len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    store = Path(sys.argv[1]).absolute()
    with mlflow_ui(store) as address:
        asyncio.run(take(executable, address, open_client(f"sqlite:///{store / 'mlflow.db'}")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
