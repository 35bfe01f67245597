"""What answers like the job server of Ray's dashboard, and fails as a test wants it to: on time, late, or never."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import WSCloseCode, web
from patience import PROCESS_S

Fault = int | Literal["silent", "lost", "lost after", "page"]
"""A status; no answer at all; a connection that breaks before, or after, it was done; a page for people."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Tail:
    """How one connection that follows a log goes: it brings so many characters, one part a line, and then what.

    What then comes waits for `delay_s` seconds, and until the whole log was read `reads` times. With `ends` it is the
    end of the job, which prints `last` before.
    """

    characters: int | None = None
    then: Literal["closed", "silent", "lost", "ends"] = "closed"
    delay_s: float = 0.0
    reads: int = 0
    last: str = ""


@dataclass
class Dashboard:
    """`faults` are those of a request such as `POST /api/jobs/`, each once; of `tails` the last one stays."""

    jobs: dict[str, dict[str, object]] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    tails: list[Tail] = field(default_factory=lambda: [Tail()])
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def add(self, job_id: str, state: str = "RUNNING", *, log: str = "", **details: object) -> None:
        common = {"type": "SUBMISSION", "entrypoint": "", "submission_id": job_id, "metadata": {"sweep": "demo"}}
        self.jobs[job_id] = {**common, "start_time": 1000 * len(self.jobs) + 1000, "status": state, **details}
        self.logs[job_id] = log

    def end(self, job_id: str, state: str = "SUCCEEDED") -> None:
        self.jobs[job_id]["status"] = state


@contextmanager
def job_dashboard() -> Iterator[Dashboard]:
    """One on a port of its own, until the end of the `with`."""
    dashboard = Dashboard()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = web.AppRunner(_application(dashboard), access_log=None, shutdown_timeout=0.1)

    async def begin() -> None:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        dashboard.address = f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def end() -> None:
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await runner.cleanup()

    try:
        asyncio.run_coroutine_threadsafe(begin(), loop).result(PROCESS_S)
        yield dashboard
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(PROCESS_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _application(dashboard: Dashboard) -> web.Application:
    @web.middleware
    async def faulty(request: web.Request, handler: _Handler) -> web.StreamResponse:
        name = f"{request.method} {request.path}"
        dashboard.asked.append(name)
        waiting = dashboard.faults.get(name)
        match waiting.pop(0) if waiting else None:
            case int(status):
                # Words that say nothing where there is a status.
                return web.Response(status=status, text="status code 404, Invalid token, see RAY_AUTH_TOKEN")
            case "page":
                return web.Response(text="<html>Please log in</html>")
            case "silent":
                await asyncio.sleep(PROCESS_S)
            case "lost" | "lost after" as when:
                if when == "lost after":
                    await handler(request)
                _break(request)
                return web.Response()
        return await handler(request)

    async def version(_: web.Request) -> web.StreamResponse:
        return web.json_response({"ray_version": "2.60.0", "version": "4"})

    async def package(_: web.Request) -> web.StreamResponse:
        return web.Response()

    async def submit(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        dashboard.add(asked["submission_id"], metadata=asked["metadata"], entrypoint=asked["entrypoint"])
        return web.json_response({"job_id": asked["submission_id"], "submission_id": asked["submission_id"]})

    async def jobs(_: web.Request) -> web.StreamResponse:
        return web.json_response(list(dashboard.jobs.values()))

    async def job(request: web.Request) -> web.StreamResponse:
        return web.json_response(dashboard.jobs[_known(request)])

    async def log(request: web.Request) -> web.StreamResponse:
        return web.json_response({"logs": dashboard.logs[_known(request)]})

    async def tail(request: web.Request) -> web.StreamResponse:
        name = _known(request)
        text = dashboard.logs[name]
        how = dashboard.tails.pop(0) if len(dashboard.tails) > 1 else dashboard.tails[0]
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for line in text[: how.characters].splitlines(keepends=True):
            await socket.send_str(line)
        await asyncio.sleep(how.delay_s)
        while dashboard.asked.count(f"GET /api/jobs/{name}/logs") < how.reads:
            await asyncio.sleep(0.01)
        match how.then:
            case "silent":
                await asyncio.sleep(PROCESS_S)
            case "lost":
                _break(request)
            case "ends":
                dashboard.logs[name] += how.last
                dashboard.end(name)
                await socket.send_str(dashboard.logs[name][how.characters :])
        await socket.close(code=WSCloseCode.OK)
        return socket

    def _known(request: web.Request) -> str:
        name = request.match_info["job"]
        if name not in dashboard.jobs:
            raise web.HTTPNotFound(text=f"Job {name} does not exist")
        return name

    application = web.Application(middlewares=[faulty])
    application.add_routes(
        [
            web.get("/api/version", version),
            web.get("/api/packages/{protocol}/{name}", package),
            web.post("/api/jobs/", submit),
            web.get("/api/jobs/", jobs),
            web.get("/api/jobs/{job}", job),
            web.get("/api/jobs/{job}/logs", log),
            web.get("/api/jobs/{job}/logs/tail", tail),
        ]
    )
    return application


def _break(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
