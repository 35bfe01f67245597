"""The submitter's arguments arrive at `bansweep submit` as the user wrote them."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from bansweep.jobs.kubernetes import Submission, submit_command

VARIABLES = {"RAY_DASHBOARD_ADDRESS": "bansweep-head-svc.bansweep.svc:8265", "RAY_JOB_SUBMISSION_ID": "job-x1"}


def as_kubernetes_starts_it(command: list[str]) -> list[str]:
    """What Kubernetes makes of a container's command: `$(NAME)` is the variable's value if there is one, `$$` is `$`.

    Written from its reference (EnvVar, Container.command), apart from the code that is tested.
    """

    def replaced(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else VARIABLES.get(found[1], found[0])

    return [re.sub(r"\$\$|\$\(([^)]*)\)", replaced, argument) for argument in command]


def submission(**options: object) -> Submission:
    return Submission("name: a", "a", "bansweep", "bansweep", "bansweep:1", **options)  # type: ignore[arg-type]


def test_command_is_what_submit_takes() -> None:
    command = submit_command(
        submission(store="s3://b/s", overrides=["a=1", "b=2"], only=["x/*"], rehearse=True, budget=0.1234567)
    )
    assert as_kubernetes_starts_it(command) == [
        "bansweep",
        "submit",
        "/etc/bansweep/sweep/sweep.yaml",
        "--address=http://bansweep-head-svc.bansweep.svc:8265",
        "--job=job-x1",
        "--follow",
        "--store=s3://b/s",
        "--set=a=1",
        "--set=b=2",
        "--only=x/*",
        "--rehearse",
        "--budget=0.1234567",
    ]


def test_without_options_there_are_none() -> None:
    assert submit_command(submission())[-1] == "--follow"


@given(st.lists(st.text(alphabet="$()RAY_JOB_SUBMISSION_IDab=-' \"\n")))
def test_nothing_of_the_users_is_replaced(texts: list[str]) -> None:
    command = as_kubernetes_starts_it(submit_command(submission(overrides=texts)))
    assert command[6:] == [f"--set={text}" for text in texts]


def test_variable_of_the_cluster_in_a_value_stays_text() -> None:
    command = as_kubernetes_starts_it(submit_command(submission(overrides=["name=$(RAY_JOB_SUBMISSION_ID)"])))
    assert command[-1] == "--set=name=$(RAY_JOB_SUBMISSION_ID)"
