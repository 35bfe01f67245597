"""`--rehearse`: the whole way with almost no work, and never mistaken for results."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from demo_sweep import Command, ended

from bansweep.cli.planning import sweep_request
from bansweep.store.store import Store

# What tables 4 and 5 and section 4.1 need beyond the quickstart, in small.
SWEEP = """\
name: dress
data: digits
recipe: wide-resnet
networks:
  - {name: basic, kind: residual-student, block: basic, blocks: 1, ratio: 0.5, like: densenet-10-4}
  - {name: bottleneck, kind: residual-student, block: bottleneck, blocks: 2, ratio: 1, like: densenet-10-4}
generations:
  teacher:     {loss: labels, network: densenet-10-4}
  baseline:    {loss: labels}
  ban:         {loss: kd, teacher: teacher, shared_layers: frozen}
  activations: {loss: {kind: kd+activations, ramp: linear}, teacher: teacher}
ensembles:
  ens*2: [teacher, ban]
diagnostics: true
paper: table5
"""


@pytest.fixture
def dress(tmp_path: Path) -> Path:
    path = tmp_path / "dress.yaml"
    path.write_text(SWEEP)
    return path


@pytest.mark.ray
def test_a_rehearsal_goes_all_the_way_and_stays_apart(dress: Path, tmp_path: Path, start: Command) -> None:
    root = tmp_path / "store"
    out, err = ended(start("run", dress, "--rehearse", "--store", root))
    assert out.startswith("REHEARSAL")
    assert "7 trained, 0 reused" in err
    rehearsed = sweep_request(dress, root, None, rehearse=True)
    assert len(Store(root / "rehearsals").ids()) == len(rehearsed.plan.generations) == 7

    assert Store(root).ids() == ()
    planned, _ = ended(start("plan", dress, "--store", root))
    assert "7 distinct generations, 0 finished" in planned
    states = json.loads(ended(start("plan", dress, "--rehearse", "--store", root, "--json"))[0])["generations"]
    assert {generation["state"] for generation in states} == {"finished"}

    document = json.loads(ended(start("report", dress, "--rehearse", "--store", root, "--json"))[0])
    assert document["rehearsal"] is True
    assert document["sweep"] == "dress-rehearsal"
    assert len(document["cells"]) == 10
    assert all(cell["mean"] is not None for cell in document["cells"])
    again, err = ended(start("run", dress, "--rehearse", "--store", root))
    assert again == out
    assert "0 trained, 7 reused" in err

    reports = root / "rehearsals" / "sweeps" / "dress-rehearsal"
    assert "REHEARSAL" in (reports / "report.md").read_text()
    drawn = ElementTree.parse(reports / "diagnostics.svg").getroot()
    assert drawn.tag.endswith("svg")


def test_a_real_report_does_not_see_a_rehearsal(dress: Path, tmp_path: Path) -> None:
    real, rehearsal = (sweep_request(dress, tmp_path, None, rehearse=rehearse) for rehearse in (False, True))
    assert not real.plan.generations.keys() & rehearsal.plan.generations.keys()
    assert (real.folder, rehearsal.folder) == (tmp_path, tmp_path / "rehearsals")
    assert (real.plan.sweep, rehearsal.plan.sweep) == ("dress", "dress-rehearsal")
