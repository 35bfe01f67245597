"""Shared by the commands for sweeps on a cluster: its address, the job, and files that its nodes must see."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from bansweep.cli.exit_status import ExitStatus
from bansweep.config.data import DataSpec
from bansweep.config.reading import read_sweep
from bansweep.config.sweep import SweepSpec
from bansweep.config.user_code import code_files
from bansweep.errors import RequestError
from bansweep.store.location import is_url

if TYPE_CHECKING:
    from bansweep.jobs.submission import Jobs, SweepJob


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
_RESUMABLE = (ExitStatus.TERMINATED, ExitStatus.INTERRUPTED)


def files_beside(spec: SweepSpec) -> dict[str, str]:
    """The Python files that a sweep names, to copy next to it on the cluster. Raises RequestError for one in another
    folder."""
    files = code_files(spec)
    for file in files:
        path = PurePosixPath(Path(file).as_posix())
        if path.is_absolute() or ".." in path.parts or file.startswith("~"):
            raise RequestError(
                f"{file} cannot go to the cluster with the sweep file: it lies in another folder",
                remedy="put it into the sweep file's folder, or one below, and name it from there",
            )
    return files


def check_seen_by_cluster(data: DataSpec, store: str | None) -> None:
    """Raises RequestError for relative folders, which differ on each machine. Opens no store."""
    if store is not None and not is_url(store) and not Path(store).is_absolute():
        raise RequestError(
            f"--store {store}: a relative folder is another one on each node",
            remedy="name an object store, s3://BUCKET/FOLDER, or from the root a folder that all nodes share",
        )
    for name, path in data:
        if isinstance(path, Path) and not path.expanduser().is_absolute():
            raise RequestError(
                f"data.{name}: {path}: a relative folder is another one on each node",
                remedy=f"name it from the root, as the cluster's nodes see it (--set data.{name}=/...)",
            )


def is_sweep_file(job: str) -> bool:
    """Whether it names a file; a job's id has neither a suffix .yaml nor a slash."""
    return job.endswith((".yaml", ".yml")) or "/" in job or Path(job).is_file()


def job_of(jobs: Jobs, job: str) -> SweepJob:
    """The named job. Raises NoSuchJobError, and for a sweep file RequestError."""
    return jobs.newest(read_sweep(Path(job)).name) if is_sweep_file(job) else jobs.job(job)


def follow(jobs: Jobs, job_id: str, address: str) -> NoReturn:
    """Print the job's log until it ends, and end with the status of its sweep."""
    with _leaving_it_running(job_id, address):
        ended = jobs.follow(job_id, _print)
    typer.echo(f"{job_id}: {state_text(ended)}", err=True)
    raise typer.Exit(status_of(ended))


def status_of(ended: SweepJob) -> ExitStatus:
    """The exit status of `bansweep run` on the cluster; FAILED if something else ended it, such as lack of memory."""
    if ended.exit_status in set(ExitStatus):
        return ExitStatus(ended.exit_status)
    return _STATUS_OF.get(ended.state, ExitStatus.FAILED)


def state_text(job: SweepJob) -> str:
    """`failed: ...`, without the log that Ray appends; just the state of other jobs."""
    if job.state != "FAILED":
        return job.state.lower()
    if job.exit_status in _RESUMABLE:
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
