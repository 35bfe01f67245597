"""`bansweep submit`: run a sweep on a cluster somewhere else."""

from __future__ import annotations

import json
import re
import secrets
from datetime import UTC, datetime
from typing import Annotated

import typer

from bansweep.cli.cluster_jobs import Address, Follow, follow, next_commands
from bansweep.cli.options import AsJson, Budget, ClusterStore, Only, Overrides, Rehearse, SweepFile
from bansweep.cli.seen_by_cluster import check_seen_by_cluster, files_beside
from bansweep.errors import RequestError
from bansweep.spec.reading import read_sweep

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

    from bansweep.cluster.jobs import Jobs
    from bansweep.cluster.submission import SWEEP_FILE, job_id

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
