"""Sweeps as Ray jobs: submit one, find it, follow its log, stop it."""

from __future__ import annotations

import asyncio
import re
import shlex
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bansweep.errors import ClusterError, NoSuchJobError
from bansweep.jobs.server import answered_status, connect, explained

if TYPE_CHECKING:
    from ray.job_submission import JobDetails

SWEEP_FILE = "sweep.yaml"
"""The sweep file's name on the cluster, in SWEEP_FOLDER."""

SWEEP_FOLDER = "bansweep-sweep"
"""The folder of the sweep file and the Python files that it names, in the job's working directory.

Ray puts a job's working directory first on `sys.path`. No module can be imported from a folder below it.
"""

SWEEP_NAME = "sweep"
"""The key of the sweep's name in a job's metadata."""

# For a driver that is asked to stop to end its trainings, write its report and close MLflow's runs; Ray's 3 s are too
# short.
STOP_WAIT_S = 60

# A lost connection is retried for this duration: replacing a head takes minutes.
_PATIENCE_S = 300.0
_PAUSE_S = 3.0

# After this duration without output, either the job prints nothing, or the connection is dead.
_SILENCE_S = 30.0

_ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
_COUNTS = re.compile(r"\d+ of \d+ generations done.*")

_LONGEST_NAME = 40
_NO_STORE = "submit with --store, or set it in the environment of the cluster's head"


@dataclass(frozen=True)
class SweepJob:
    """A sweep on a cluster. `state` is Ray's: PENDING, RUNNING, SUCCEEDED, FAILED, STOPPED; times are Unix seconds.

    `exit_status` is that of its command; None before it ends, and if it was stopped.
    """

    id: str
    sweep: str
    state: str
    started_at: float | None
    ended_at: float | None
    message: str
    exit_status: int | None = None

    @property
    def ended(self) -> bool:
        return self.state in _ENDED


class Jobs:
    """The sweeps on the cluster whose job server is at `address`. Every method raises ClusterError."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client = connect(address)

    def submit(
        self, files: Mapping[str, str], *, sweep: str, job_id: str, options: Sequence[str], store: str | None
    ) -> bool:
        """Submits a sweep file (SWEEP_FILE, with the files that it names) and options of `bansweep run`; False if a job
        of this id exists already."""
        if self._has(job_id):
            return False
        try:
            with tempfile.TemporaryDirectory(prefix="bansweep-submit-") as folder, explained(self._address):
                for name, text in files.items():
                    file = Path(folder, SWEEP_FOLDER, name)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(text, encoding="utf-8")
                self._client.submit_job(
                    entrypoint=entrypoint(options, store),
                    submission_id=job_id,
                    runtime_env=runtime_environment(folder),
                    metadata={SWEEP_NAME: sweep},
                )
        except ClusterError as error:
            if not self._has_arrived(job_id, error):
                raise
        return True

    def _has_arrived(self, job_id: str, error: ClusterError) -> bool:
        """Whether a submission that ended in `error` reached the cluster: its answer may have been lost."""
        status = answered_status(error.__cause__)
        if status is not None and status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return False
        time.sleep(_PAUSE_S)
        try:
            return self._has(job_id)
        except ClusterError as again:
            raise ClusterError(
                f"whether {job_id} was submitted is not known: {again.cause}",
                remedy=f"submit it again with --job {job_id}, which is not submitted twice",
            ) from error

    def of_sweep(self, sweep: str) -> list[SweepJob]:
        """All jobs of a sweep, the newest first."""
        with explained(self._address):
            jobs = [_job(details) for details in self._client.list_jobs() if details.submission_id]
        return sorted((job for job in jobs if job.sweep == sweep), key=lambda job: job.started_at or 0.0, reverse=True)

    def newest(self, sweep: str) -> SweepJob:
        """The newest job of a sweep. Raises NoSuchJobError if there is none."""
        found = self.of_sweep(sweep)
        if not found:
            raise NoSuchJobError(
                f"no job of the sweep {sweep!r} on the cluster at {self._address}",
                remedy=f"bansweep submit SWEEP --address {self._address} runs it there",
            )
        return found[0]

    def job(self, job_id: str) -> SweepJob:
        with explained(self._address):
            return _job(self._client.get_job_info(job_id))

    def log(self, job_id: str) -> str:
        """Everything that a job has printed so far."""
        with explained(self._address):
            return self._client.get_job_logs(job_id)

    def progress(self, job: SweepJob) -> str:
        """The last progress that a job has printed: `3 of 6 generations done, 2 running`; empty if it has not."""
        found = _COUNTS.findall(self.log(job.id))
        return found[-1] if found else ""

    def stop(self, job_id: str) -> bool:
        """Asks a job to end, as Ctrl-C would; False if it has ended already."""
        with explained(self._address):
            return self._client.stop_job(job_id)

    def follow(self, job_id: str, write: Callable[[str], None]) -> SweepJob:
        """Passes `write` what the job prints, from the beginning, until it ends; returns the ended job.

        A lost or silently dead connection is retried, and the output continues where it was. Raises ClusterError if
        that fails for minutes, and what `write` raises.
        """
        log = OnceWritten(write)
        lost_at: float | None = None
        while True:
            try:
                with closing(self._parts(job_id)) as parts:
                    for begin, text in parts:
                        lost_at = None
                        log.add(begin, text)
                job = self.job(job_id)
                if job.ended:
                    # A proxy that stops closes a connection as if the log were complete.
                    with suppress(ClusterError):
                        log.add(0, self.log(job_id))
                    return job
                lost_at = None
            except NoSuchJobError:
                raise  # a new head, which knows no job of the old one
            except ClusterError as error:
                lost_at = lost_at or time.monotonic()
                if time.monotonic() - lost_at > _PATIENCE_S:
                    raise ClusterError(
                        f"lost the connection to {self._address}: {error.cause}",
                        remedy=f"the sweep goes on; bansweep logs {job_id} --follow shows it again",
                    ) from error
            time.sleep(_PAUSE_S)

    def _parts(self, job_id: str) -> Generator[tuple[int, str]]:
        """What the job prints, from its beginning, each part with the number of characters before it.

        Ends with the job, or if the connection no longer delivers the output. Ray's server answers no pings: after a
        silence the log is read by another request and compared. A new connection after each silence would leave one
        more reader on the cluster each time, until the job prints again.
        """
        read = 0
        with LogStream(self._client.tail_job_logs(job_id)) as stream:
            while True:
                with explained(self._address):
                    text = stream.read(_SILENCE_S)
                if text is None:
                    return
                if text:
                    yield read, text
                    read += len(text)
                    continue
                if self.job(job_id).ended:
                    return
                whole = self.log(job_id)
                yield 0, whole
                if len(whole) > read:
                    return

    def _has(self, job_id: str) -> bool:
        try:
            return self.job(job_id).id == job_id
        except NoSuchJobError:
            return False


def _job(details: JobDetails) -> SweepJob:
    def seconds(milliseconds: int | None) -> float | None:
        return None if not milliseconds else milliseconds / 1000

    return SweepJob(
        id=details.submission_id or "",
        sweep=(details.metadata or {}).get(SWEEP_NAME, ""),
        state=str(details.status.value),
        started_at=seconds(details.start_time),
        ended_at=seconds(details.end_time),
        message=" ".join((details.message or "").split()),
        exit_status=details.driver_exit_code,
    )


def job_id(sweep: str, now: datetime, suffix: str) -> str:
    """`bansweep-table2-20261123-101500-3f2a`; characters with a meaning in URLs become hyphens."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", sweep)[:_LONGEST_NAME].strip("-.")
    return "-".join(filter(None, ("bansweep", name, f"{now:%Y%m%d-%H%M%S}", suffix)))


def entrypoint(options: Sequence[str], store: str | None) -> str:
    """The shell command of the job: `bansweep run` with these options, each quoted.

    Without a `store` that of the cluster is used. If it has none, the job ends at once: a default store in the job's
    folder would be removed with it.
    """
    arguments = ["bansweep", "run", f"{SWEEP_FOLDER}/{SWEEP_FILE}", "--address=auto", *options]
    if store is not None:
        arguments.append(f"--store={store}")
    needs_store = f': "${{BANSWEEP_STORE:?{_NO_STORE}}}"; ' if store is None else ""
    return f"{needs_store}exec {shlex.join(arguments)}"


def runtime_environment(folder: str) -> dict[str, object]:
    """Ray's runtime environment for a job whose files are in the local `folder`."""
    return {"working_dir": folder, "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S)}}


class LogStream:
    """Reads a growing log part by part, waiting at most a given duration for each.

    A context manager, which closes `parts` on leaving. Nothing is read between two calls of `read`.
    """

    def __init__(self, parts: AsyncIterator[str]) -> None:
        self._parts = parts
        self._runner = asyncio.Runner()
        self._next: asyncio.Task[str | None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._runner.close()

    def read(self, patience_s: float) -> str | None:
        """The next part; "" if none comes within `patience_s` seconds, which loses nothing; None at the end."""
        return self._runner.run(self._read(patience_s))

    async def _read(self, patience_s: float) -> str | None:
        if self._next is None:
            self._next = asyncio.ensure_future(self._one())
        done, _ = await asyncio.wait({self._next}, timeout=patience_s)
        if not done:
            return ""
        self._next = None
        return done.pop().result()

    async def _one(self) -> str | None:
        return await anext(self._parts, None)


class OnceWritten:
    """Writes a text that is read repeatedly from its beginning, each time perhaps further: writes each part once."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._written = 0

    def add(self, begin: int, text: str) -> None:
        """Add the part of the text that begins after `begin` characters; no part before it may be missing."""
        end = begin + len(text)
        if end > self._written:
            self._write(text[self._written - begin :])
            self._written = end
