"""`bansweep stop`: end a sweep on a cluster; it can go on later."""

from __future__ import annotations

import typer

from bansweep.cli.cluster_jobs import Address, JobOrSweep, job_of, state_text


def stop(job: JobOrSweep, address: Address) -> None:
    """bansweep stop sweeps/table2.yaml --address http://127.0.0.1:8265: end a sweep there.

    What is finished stays, and so does every saved epoch: submitted again, the sweep goes on from there.

    Example: bansweep stop bansweep-table2-20261123-101500-3f2a --address http://127.0.0.1:8265
    """
    from bansweep.cluster.jobs import Jobs

    jobs = Jobs(address)
    found = job_of(jobs, job)
    if jobs.stop(found.id):
        typer.echo(f"{found.id} is being stopped; bansweep submit goes on with the sweep")
    else:
        typer.echo(f"{found.id} has ended already: {state_text(found)}")
