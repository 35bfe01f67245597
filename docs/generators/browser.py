"""Headless Chromium, which takes the documentation's pictures of pages."""

from __future__ import annotations

import asyncio
import contextlib
import io
import shutil
import subprocess
import tempfile
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from PIL import Image

FOLDER = Path(__file__).parents[1] / "pictures"
WIDTH, HEIGHT = 1280, 800
COLOURS = 128  # a screen of text has few, and a palette of them makes small files


def chromium() -> str | None:
    """Where it is; None where it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


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

    async def picture(self, name: str, height: int = HEIGHT, top: int = 0) -> None:
        """Save what is seen, from `top` on: `height` pixels."""
        view = {"x": 0, "y": top, "width": WIDTH, "height": height, "scale": 1}
        # Only where it has to be: pages draw themselves anew for it, and fold what was unfolded.
        beyond = top + height > HEIGHT
        taken = await self.call("Page.captureScreenshot", clip=view, captureBeyondViewport=beyond)
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
