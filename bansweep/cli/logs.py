"""`bansweep logs`: what a sweep on a cluster prints."""

from __future__ import annotations

import typer

from bansweep.cli.cluster_jobs import Address, Follow, JobOrSweep, follow, job_of


def logs(job: JobOrSweep, address: Address, follow_it: Follow = False) -> None:
    """bansweep logs sweeps/table2.yaml --follow --address http://127.0.0.1:8265: what it prints there.

    Ctrl-C ends the following, and leaves the sweep alone.

    Example: bansweep logs bansweep-table2-20261123-101500-3f2a --follow
    """
    from bansweep.cluster.jobs import Jobs

    jobs = Jobs(address)
    found = job_of(jobs, job)
    if follow_it:
        follow(jobs, found.id, address)
    typer.echo(jobs.log(found.id), nl=False)
