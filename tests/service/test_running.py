"""How a run ended, and what is said of it; the running itself is tested where Ray is."""

from __future__ import annotations

from pathlib import Path

import pytest
from demo_sweep import SWEEP

from bansweep.errors import BansweepError, ClusterError
from bansweep.graph.events import GenerationFailed
from bansweep.report.document import Outcome
from bansweep.service.request import SweepRequest, sweep_request
from bansweep.service.running import SweepEnd
from bansweep.service.sweep_report import sweep_report
from bansweep.service.sweep_state import SweepState
from bansweep.tracking.protocol import TrackingSummary


@pytest.fixture
def request_(tmp_path: Path) -> SweepRequest:
    path = tmp_path / "my demo.yaml"
    path.write_text(SWEEP)
    return sweep_request(path, str(tmp_path / "store"), ["recipe.epochs=2"], ["*/ban"])


def end_of(
    request: SweepRequest,
    state: SweepState,
    stopped_by: KeyboardInterrupt | BansweepError | None = None,
    tracking: TrackingSummary | None = None,
) -> SweepEnd:
    report = sweep_report(request, [], Outcome())
    return SweepEnd(request, state, stopped_by, None, tracking or TrackingSummary("sqlite:///x", 2, ()), [], report)


@pytest.mark.parametrize(
    ("finished", "failed", "stopped_by", "status"),
    [
        (True, False, None, "FINISHED"),
        (False, False, None, "KILLED"),  # a budget is spent
        (False, False, KeyboardInterrupt(), "KILLED"),
        (False, True, KeyboardInterrupt(), "KILLED"),  # what failed is tried again, too
        (False, True, None, "FAILED"),
        (False, False, ClusterError("the head is gone", remedy="look for it"), "FAILED"),
        (True, False, ClusterError("the head is gone", remedy="look for it"), "FAILED"),
    ],
)
def test_status(
    request_: SweepRequest,
    finished: bool,
    failed: bool,
    stopped_by: KeyboardInterrupt | BansweepError | None,
    status: str,
) -> None:
    plan = request_.plan
    state = SweepState(plan, frozenset(plan.generations) if finished else frozenset())
    if failed:
        state.handle(GenerationFailed(next(iter(plan.generations)), "the loss became nan"))
    assert end_of(request_, state, stopped_by).status == status


def test_what_the_tracker_lacks_has_its_remedy(request_: SweepRequest) -> None:
    state = SweepState(request_.plan, frozenset(request_.plan.generations))
    summary = TrackingSummary("http://x", 1, ("a",), "connection refused", models_error="no registry")
    messages = end_of(request_, state, tracking=summary).messages()
    folder = request_.file.parent
    sync = f"bansweep sync '{folder}/my demo.yaml' --store {folder}/store --set recipe.epochs=2 --only '*/ban'"
    assert messages == [
        f"0 trained, 2 reused; store: {folder}/store, MLflow: http://x",
        "MLflow lacks 1 generations (connection refused)",
        f"  {sync} sends them",
        "no models in MLflow: no registry",
    ]
