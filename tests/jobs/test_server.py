"""What is said of a job server's failures, by their HTTP status; and a submission whose answer is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from job_dashboard import Dashboard, Fault, job_dashboard

from bansweep.errors import ClusterError, NoSuchJobError
from bansweep.jobs import server as job_client
from bansweep.jobs import server as job_server
from bansweep.jobs import submission as module
from bansweep.jobs.submission import Jobs

VERSION, INFO, TAIL, SUBMIT = (
    "GET /api/version",
    "GET /api/jobs/one",
    "GET /api/jobs/one/logs/tail",
    "POST /api/jobs/",
)

SHORT_S = 1.0
"""How long a silent server is waited for; others answer within it on a busy machine, too."""


@pytest.fixture
def dashboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dashboard]:
    monkeypatch.setattr(module, "_PAUSE_S", 0.02)
    monkeypatch.setattr(module, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(job_client, "REQUEST_TIMEOUT_S", SHORT_S)
    with job_dashboard() as dashboard:
        yield dashboard


@pytest.mark.parametrize(
    ("fault", "said", "remedy"),
    [
        (401, "wants a token", "RAY_AUTH_MODE=token"),
        (403, "refuses this token", "RAY_AUTH_MODE=token"),
        (404, "is not Ray's dashboard", "check the address"),
        (500, "answers 500", "check the address"),
        (503, "answers 503", "check the address"),
        ("page", "answers 200, which names no version of Ray", "check the address"),
        ("silent", "timed out", "check the address"),
        ("lost", "cannot reach a job server", "check the address"),
    ],
)
def test_what_answers_is_judged_by_its_status(dashboard: Dashboard, fault: Fault, said: str, remedy: str) -> None:
    dashboard.faults = {VERSION: [fault]}
    with pytest.raises(ClusterError) as error:
        Jobs(dashboard.address)
    assert said in error.value.cause
    assert dashboard.address in error.value.cause
    assert "\n" not in error.value.cause
    assert remedy in error.value.remedy
    assert not isinstance(error.value, NoSuchJobError)


@pytest.mark.parametrize("request_name", [INFO, TAIL])
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "wants a token"),
        (403, "refuses this token"),
        (404, "knows no such job"),
        (500, "answers 500"),
        (502, "answers 502"),
    ],
)
def test_so_is_what_is_said_of_a_job(dashboard: Dashboard, request_name: str, status: int, said: str) -> None:
    dashboard.add("one")
    dashboard.faults = {request_name: [status, status, status]}
    jobs = Jobs(dashboard.address)
    ask = jobs.job if request_name == INFO else lambda job_id: jobs.follow(job_id, print)
    with pytest.raises(ClusterError) as error:
        ask("one")
    assert said in error.value.cause
    assert isinstance(error.value, NoSuchJobError) == (status == 404)


def test_every_request_ends(dashboard: Dashboard) -> None:
    jobs = Jobs(dashboard.address)
    dashboard.add("one")
    for name, ask in (
        (INFO, lambda: jobs.job("one")),
        ("GET /api/jobs/one/logs", lambda: jobs.log("one")),
        ("GET /api/jobs/", lambda: jobs.of_sweep("demo")),
        ("POST /api/jobs/one/stop", lambda: jobs.stop("one")),
    ):
        dashboard.faults = {name: ["silent"]}
        with pytest.raises(ClusterError, match="timed out"):
            ask()


def test_the_address_counts_that_was_given(dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:9")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    dashboard.add("one")
    assert Jobs(f"{dashboard.address}/").job("one").id == "one"


def test_texts_are_judged_only_where_there_is_no_status() -> None:
    with (
        pytest.raises(ClusterError) as error,
        job_server.explained("http://host:1"),
    ):
        raise RuntimeError("Request failed with status code 404: Invalid token, see RAY_AUTH_TOKEN")
    assert not isinstance(error.value, NoSuchJobError)
    assert error.value.cause.startswith("cannot reach a job server at http://host:1: Request failed")


def test_an_error_without_words_is_named() -> None:
    with pytest.raises(ClusterError) as error, job_server.explained("http://host:1"):
        raise TimeoutError
    assert error.value.cause.endswith(": TimeoutError")


def submit(dashboard: Dashboard) -> bool:
    return Jobs(dashboard.address).submit(
        {"sweep.yaml": "name: demo\n"}, sweep="demo", job_id="one", options=[], store="/store"
    )


def test_one_that_is_there_is_not_submitted(dashboard: Dashboard) -> None:
    assert submit(dashboard)
    assert not submit(dashboard)
    assert dashboard.asked.count(SUBMIT) == 1


def test_a_submission_whose_answer_is_lost_is_found(dashboard: Dashboard) -> None:
    dashboard.faults = {SUBMIT: ["lost after"]}
    assert submit(dashboard)
    assert list(dashboard.jobs) == ["one"]
    assert dashboard.asked.count(SUBMIT) == 1


@pytest.mark.parametrize("fault", ["lost", "silent", 502])
def test_one_that_is_not_found_has_failed(dashboard: Dashboard, fault: Fault) -> None:
    dashboard.faults = {SUBMIT: [fault]}
    with pytest.raises(ClusterError, match="cannot reach a job server"):
        submit(dashboard)
    assert dashboard.asked.count(INFO) == 2


def test_one_of_which_nothing_can_be_found_out_can_be_submitted_again(dashboard: Dashboard) -> None:
    dashboard.faults = {SUBMIT: ["lost after"]}
    jobs = Jobs(dashboard.address)
    dashboard.faults[INFO] = [404, 503]
    with pytest.raises(ClusterError, match="whether one was submitted is not known") as error:
        jobs.submit({"sweep.yaml": "name: demo\n"}, sweep="demo", job_id="one", options=[], store="/store")
    assert "--job one" in error.value.remedy
    assert not submit(dashboard)


def test_one_that_is_refused_is_not_looked_for(dashboard: Dashboard) -> None:
    dashboard.faults = {SUBMIT: [400]}
    with pytest.raises(ClusterError, match="answers 400"):
        submit(dashboard)
    assert dashboard.asked.count(INFO) == 1
