"""`bansweep status --address`: where a sweep on a cluster stands, by its jobs there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from bansweep.cli.cluster_jobs import is_sweep_file, state_text
from bansweep.errors import ClusterError
from bansweep.spec.reading import read_sweep

if TYPE_CHECKING:
    from bansweep.cluster.jobs import Jobs, SweepJob


class _Progress(NamedTuple):
    """How far a job says it is; None where nobody asked, or `why_not`."""

    text: str | None
    why_not: str | None = None


def job_status(job: str, address: str, *, as_json: bool) -> None:
    """Print the jobs of a sweep file, or the one of this id, the newest first.

    How far they are is asked of the newest, and of those that have not ended: it takes all that a job has printed.
    """
    from bansweep.cluster.jobs import Jobs

    jobs = Jobs(address)
    found = jobs.of_sweep(read_sweep(Path(job)).name) if is_sweep_file(job) else [jobs.job(job)]
    progress = [
        _progress(jobs, one) if number == 0 or not one.ended else _Progress(None) for number, one in enumerate(found)
    ]
    if as_json:
        document = [
            {**vars(one), "progress": far.text, "progress_error": far.why_not}
            for one, far in zip(found, progress, strict=True)
        ]
        typer.echo(json.dumps({"jobs": document}, indent=2))
        return
    if not found:
        typer.echo(f"no job of {job} on the cluster at {address}")
    for one, far in zip(found, progress, strict=True):
        times = [_time_text("since", one.started_at), _time_text("until", one.ended_at)]
        typer.echo(", ".join(filter(None, (f"{one.id}: {state_text(one)}", *times))))
        if far.text:
            typer.echo(f"  {far.text}")
        if far.why_not:
            typer.echo(f"  how far it is cannot be read: {far.why_not}")


def _progress(jobs: Jobs, job: SweepJob) -> _Progress:
    try:
        return _Progress(jobs.progress(job))
    except ClusterError as error:  # such as the node gone that it was printing on
        return _Progress(None, error.cause)


def _time_text(word: str, seconds: float | None) -> str:
    return "" if seconds is None else f"{word} {datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
