"""What the verbs for sweeps on a cluster share: its address, which job is meant, how its end is told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from bansweep.cli.exit_status import ExitStatus
from bansweep.spec.reading import read_sweep

if TYPE_CHECKING:
    from bansweep.cluster.jobs import Jobs, SweepJob

ADDRESS_VARIABLE = "RAY_API_SERVER_ADDRESS"

Address = Annotated[
    str,
    typer.Option(
        envvar=ADDRESS_VARIABLE,
        help="The cluster's job server, that of Ray's dashboard: http://HOST:8265.",
        metavar="URL",
        show_default=False,
    ),
]

JobOrSweep = Annotated[
    str, typer.Argument(metavar="JOB", help="A job's id, or a sweep file: its newest job on the cluster.")
]

Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on showing it until it ends.")]

_STATUS_OF = {"SUCCEEDED": ExitStatus.DONE, "STOPPED": ExitStatus.TERMINATED}
_CAN_GO_ON = (ExitStatus.TERMINATED, ExitStatus.INTERRUPTED)


def is_sweep_file(job: str) -> bool:
    """Whether a file is meant; a job's id has no dot before yaml, and no slash."""
    return job.endswith((".yaml", ".yml")) or "/" in job or Path(job).is_file()


def job_of(jobs: Jobs, job: str) -> SweepJob:
    """The job that is meant. Raises NoSuchJobError, and for a sweep file RequestError."""
    return jobs.newest(read_sweep(Path(job)).name) if is_sweep_file(job) else jobs.job(job)


def follow(jobs: Jobs, job_id: str, address: str) -> NoReturn:
    """Print the job's log until it ends, and end with the status of its sweep."""
    with _leaving_it_running(job_id, address):
        ended = jobs.follow(job_id, _print)
    typer.echo(f"{job_id}: {state_text(ended)}", err=True)
    raise typer.Exit(status_of(ended))


def status_of(ended: SweepJob) -> ExitStatus:
    """What `bansweep run` said on the cluster; FAILED where its end was another's doing, as for want of memory."""
    if ended.exit_status in set(ExitStatus):
        return ExitStatus(ended.exit_status)
    return _STATUS_OF.get(ended.state, ExitStatus.FAILED)


def state_text(job: SweepJob) -> str:
    """`failed: ...`, without the log that Ray adds; what it has to say of success is nothing."""
    if job.state != "FAILED":
        return job.state.lower()
    if job.exit_status in _CAN_GO_ON:
        return "ended early; submitted again, the sweep goes on"
    reason = job.message.partition(", last available logs")[0]
    return f"failed: {reason}" if reason else "failed"


def next_commands(job_id: str, address: str) -> str:
    option = f"--address {address}"
    return (
        f"  bansweep logs {job_id} --follow {option}\n"
        f"  bansweep status {job_id} {option}\n"
        f"  bansweep stop {job_id} {option}"
    )


@contextmanager
def _leaving_it_running(job_id: str, address: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"\n{job_id} goes on:\n{next_commands(job_id, address)}", err=True)
        raise typer.Exit(ExitStatus.INTERRUPTED) from None


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
