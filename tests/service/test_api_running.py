"""A sweep that is run from Python, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from demo_sweep import SWEEP
from patience import SWEEP_S

import bansweep
from bansweep.errors import RequestError

SCRIPT = """
import json, sys
import bansweep

changes = {"recipe.epochs": 2, "data.limit": 64, "resources.concurrency": 1}
sweep = bansweep.load_sweep(sys.argv[1], changes, only=["*/teacher", "*/ban"])
try:
    bansweep.run(sweep, sys.argv[2])
    raised = None
except bansweep.BansweepError as error:
    raised = [type(error).__name__, str(error)]
good = bansweep.load_sweep(sys.argv[1], changes, only=["wrn-10-1/ban"])
again = bansweep.run(good, sys.argv[2], quiet=True)
found = sweep.result(sys.argv[2])
print(json.dumps({
    "raised": raised,
    "finished": found.table().notna().values.tolist(),
    "states": found.generations()["state"].tolist(),
    "epochs": sorted(set(found.histories()["epoch"])),
    "trained again": again.trained,
    "reused": len(again.reused),
}))
"""


@pytest.mark.ray
def test_what_fails_is_raised_and_what_is_finished_is_there(tmp_path: Path, environment: dict[str, str]) -> None:
    recipe = "{base: wide-resnet, epochs: 2, batch_size: 32, learning_rate: 1.0e+30}"
    diverging = f"{{name: wild, network: wrn-10-1, recipe: {recipe}}}"
    file = tmp_path / "demo.yaml"
    file.write_text(SWEEP.replace("[wrn-10-1]", f"[wrn-10-1, {diverging}]"))
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(file), str(tmp_path / "store")],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=SWEEP_S,
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    kind, message = told.pop("raised")
    assert kind == "TrainingError"
    assert message.startswith("wild / teacher failed; 1 that would learn from them were not begun: the loss became ")
    assert told == {
        "finished": [[True, True], [False, False]],
        "states": ["finished", "finished", "waiting", "waiting"],
        "epochs": [1, 2],
        "trained again": [],
        "reused": 2,
    }
    assert "finished  wrn-10-1 / ban" in ended.stderr, "progress is told"
    assert (tmp_path / "store" / "mlflow.db").exists()


def test_a_file_in_place_of_a_sweep_is_refused_with_what_to_call() -> None:
    with pytest.raises(RequestError, match=r"not 'sweep\.yaml'") as raised:
        bansweep.run("sweep.yaml")  # type: ignore[arg-type]
    assert "load_sweep" in raised.value.remedy
