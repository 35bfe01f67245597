"""What is submitted: nothing that a user writes is read by a shell, and ids fit into URLs."""

from __future__ import annotations

import re
import shlex
import subprocess
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from bansweep.jobs.submission import entrypoint, job_id

TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=30)


@given(options=st.lists(TEXTS, max_size=4), store=TEXTS)
def test_the_command_has_the_options_as_they_are(options: list[str], store: str) -> None:
    words = shlex.split(entrypoint(options, store))
    assert words == [
        "exec",
        "bansweep",
        "run",
        "bansweep-sweep/sweep.yaml",
        "--address=auto",
        *options,
        f"--store={store}",
    ]


def test_a_shell_runs_what_was_meant() -> None:
    option = "--set=x=$(echo no) `echo no` '\"\\; echo no\n&"
    command = entrypoint([option], "/a store").replace("exec bansweep", "exec printf '%s|'")
    printed = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert printed.split("|") == ["run", "bansweep-sweep/sweep.yaml", "--address=auto", option, "--store=/a store", ""]


def test_without_a_store_the_clusters_own_is_needed() -> None:
    command = entrypoint([], None).replace("exec bansweep", "exec echo")
    without = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env={})
    assert without.returncode != 0
    assert "BANSWEEP_STORE: submit with --store" in without.stderr
    assert without.stdout == ""
    there = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env={"BANSWEEP_STORE": "s3://b/s"})
    assert there.stdout == "run bansweep-sweep/sweep.yaml --address=auto\n"


@given(sweep=st.text(max_size=80))
def test_an_id_is_fit_for_a_url(sweep: str) -> None:
    made = job_id(sweep, datetime(2026, 11, 23, 10, 15, 0, tzinfo=UTC), "3f2a")
    assert re.fullmatch(r"bansweep-([A-Za-z0-9_.-]+-)?20261123-101500-3f2a", made)
    assert len(made) < 80


def test_an_id_tells_the_sweep_and_the_time() -> None:
    assert (
        job_id("table 2/ä", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "0a0b")
        == "bansweep-table-2-20260102-030405-0a0b"
    )
