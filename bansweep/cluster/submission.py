"""A sweep as a job on a cluster: its id, its command, its environment. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from datetime import datetime

SWEEP_FILE = "sweep.yaml"
"""The sweep file's name on the cluster, in SWEEP_FOLDER."""

SWEEP_FOLDER = "bansweep-sweep"
"""The folder of the sweep file and the Python files that it names, in the job's working directory.

Ray puts a job's working directory first on `sys.path`. No module can be imported from a folder below it.
"""

SWEEP_NAME = "sweep"
"""The key of the sweep's name in a job's metadata."""

# Time for a driver that is asked to stop to end its trainings, write its report and tell MLflow; Ray's 3 s are none.
STOP_WAIT_S = 60

_LONGEST_NAME = 40
_NO_STORE = "submit with --store, or set it in the environment of the cluster's head"


def job_id(sweep: str, now: datetime, suffix: str) -> str:
    """`bansweep-table2-20261123-101500-3f2a`; characters that a URL would read otherwise become hyphens."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", sweep)[:_LONGEST_NAME].strip("-.")
    return "-".join(filter(None, ("bansweep", name, f"{now:%Y%m%d-%H%M%S}", suffix)))


def entrypoint(options: Sequence[str], store: str | None) -> str:
    """The shell command of the job: `bansweep run` with these options, each quoted.

    Without a `store` the cluster's own counts, and the job ends at once where it has none: a default one in the folder
    of the job would be gone with it.
    """
    arguments = ["bansweep", "run", f"{SWEEP_FOLDER}/{SWEEP_FILE}", "--address=auto", *options]
    if store is not None:
        arguments.append(f"--store={store}")
    needs_store = f': "${{BANSWEEP_STORE:?{_NO_STORE}}}"; ' if store is None else ""
    return f"{needs_store}exec {shlex.join(arguments)}"


def runtime_environment(folder: str) -> dict[str, object]:
    """Of a job whose files are in `folder` here."""
    return {"working_dir": folder, "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S)}}
