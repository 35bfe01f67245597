"""`bansweep submit`, `logs` and `stop`: run a sweep on a cluster as a Ray job."""

from __future__ import annotations

import json
import re
import secrets
from datetime import UTC, datetime
from typing import Annotated

import typer

from bansweep.cli.cluster_jobs import (
    Address,
    Follow,
    JobOrSweep,
    check_seen_by_cluster,
    files_beside,
    follow,
    job_of,
    next_commands,
    state_text,
)
from bansweep.cli.options import AsJson, Budget, ClusterStore, Only, Overrides, Rehearse, SweepFile
from bansweep.config.reading import read_sweep
from bansweep.errors import RequestError

_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


def submit(
    sweep: SweepFile,
    address: Address,
    store: ClusterStore = None,
    overrides: Overrides = None,
    only: Only = None,
    rehearse: Rehearse = False,
    budget: Budget = None,
    job: Annotated[
        str | None,
        typer.Option(help="The job's id. One that is there already is not submitted again.", show_default=False),
    ] = None,
    follow_it: Follow = False,
    as_json: AsJson = False,
) -> None:
    """bansweep submit sweeps/table2.yaml --address http://127.0.0.1:8265: run a sweep on a Ray cluster.

    Of this machine it needs the sweep file only, and not for long: a lost connection, or a laptop that is closed, does
    not stop it. A cluster that asks for a token is given the one in RAY_AUTH_TOKEN, with RAY_AUTH_MODE=token.

    Example: bansweep submit sweeps/table2.yaml --store s3://networks/store --budget 20 --follow
    """
    if as_json and follow_it:
        raise RequestError(
            "--json prints one document and ends, while --follow shows the sweep's own text until that ends",
            remedy="submit with --json, and follow the job that it names: bansweep logs JOB --follow",
        )
    limit = [] if budget is None else [f"budget.gpu_hours={budget}"]
    spec = read_sweep(sweep, [*(overrides or ()), *limit])
    check_seen_by_cluster(spec.data, store)
    code = files_beside(spec)
    if job is not None and not _JOB_ID.fullmatch(job):
        raise RequestError(f"--job {job!r} cannot be a job's id", remedy="ids are letters, digits and - _ .")

    from bansweep.jobs.submission import SWEEP_FILE, Jobs, job_id

    name = job or job_id(spec.name, datetime.now(UTC), secrets.token_hex(2))
    options = [f"--set={one}" for one in overrides or ()] + [f"--only={one}" for one in only or ()]
    options += ["--rehearse"] * rehearse + ([] if budget is None else [f"--budget={budget}"])
    jobs = Jobs(address)
    files = {**code, SWEEP_FILE: sweep.read_text(encoding="utf-8")}
    submitted = jobs.submit(files, sweep=spec.name, job_id=name, options=options, store=store)
    if as_json:
        typer.echo(json.dumps({"job": name, "sweep": spec.name, "submitted": submitted}))
        return
    typer.echo(f"{name} {'submitted' if submitted else 'is there already'}", err=follow_it)
    if follow_it:
        follow(jobs, name, address)
    typer.echo(next_commands(name, address))


def logs(job: JobOrSweep, address: Address, follow_it: Follow = False) -> None:
    """bansweep logs sweeps/table2.yaml --follow --address http://127.0.0.1:8265: what it prints there.

    Ctrl-C ends the following, and leaves the sweep alone.

    Example: bansweep logs bansweep-table2-20261123-101500-3f2a --follow
    """
    from bansweep.jobs.submission import Jobs

    jobs = Jobs(address)
    found = job_of(jobs, job)
    if follow_it:
        follow(jobs, found.id, address)
    typer.echo(jobs.log(found.id), nl=False)


def stop(job: JobOrSweep, address: Address) -> None:
    """bansweep stop sweeps/table2.yaml --address http://127.0.0.1:8265: end a sweep there.

    Finished generations and saved epochs remain in the store. Submit the sweep again to resume it.

    Example: bansweep stop bansweep-table2-20261123-101500-3f2a --address http://127.0.0.1:8265
    """
    from bansweep.jobs.submission import Jobs

    jobs = Jobs(address)
    found = job_of(jobs, job)
    if jobs.stop(found.id):
        typer.echo(f"{found.id} is being stopped; bansweep submit goes on with the sweep")
    else:
        typer.echo(f"{found.id} has ended already: {state_text(found)}")
