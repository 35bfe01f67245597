"""`bansweep status --address`: where a sweep on a cluster stands, by its jobs there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import typer

from bansweep.cli.cluster_jobs import is_sweep_file, state_text
from bansweep.spec.reading import read_sweep


def job_status(job: str, address: str, *, as_json: bool) -> None:
    """Print the jobs of a sweep file, or the one of this id, the newest first."""
    from bansweep.cluster.jobs import Jobs

    jobs = Jobs(address)
    found = jobs.of_sweep(read_sweep(Path(job)).name) if is_sweep_file(job) else [jobs.job(job)]
    shown = [(one, jobs.progress(one)) for one in found]
    if as_json:
        document = [{**vars(one), "progress": progress} for one, progress in shown]
        typer.echo(json.dumps({"jobs": document}, indent=2))
        return
    if not shown:
        typer.echo(f"no job of {job} on the cluster at {address}")
    for one, progress in shown:
        times = [_time_text("since", one.started_at), _time_text("until", one.ended_at)]
        typer.echo(", ".join(filter(None, (f"{one.id}: {state_text(one)}", *times))))
        if progress:
            typer.echo(f"  {progress}")


def _time_text(word: str, seconds: float | None) -> str:
    return "" if seconds is None else f"{word} {datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
