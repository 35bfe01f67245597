"""`--rehearse`: the whole way with almost no work, and never mistaken for results."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from demo_sweep import Command, ended

from bansweep.config.networks import Lstm
from bansweep.config.recipes import LanguageRecipe
from bansweep.errors import DataError
from bansweep.service.request import sweep_request
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
    real, rehearsal = (sweep_request(dress, str(tmp_path), None, rehearse=rehearse) for rehearse in (False, True))
    assert not real.plan.generations.keys() & rehearsal.plan.generations.keys()
    assert (real.location, rehearsal.location) == (f"{tmp_path}", f"{tmp_path}/rehearsals")
    assert (real.plan.sweep, rehearsal.plan.sweep) == ("dress", "dress-rehearsal")


@pytest.mark.parametrize(
    "change",
    [
        "data=digits",
        "data={kind: digits, validation: 300}",
        "recipe=wide-resnet",
        "recipe={base: wide-resnet, epochs: 7}",
        "networks=[wrn-10-1]",
        "networks=[{network: wrn-10-1, recipe: {base: wide-resnet, epochs: 7}}]",
        "resources={workers: 2, cpus_per_worker: 64}",
        "name=other",
    ],
)
def test_a_change_of_more_than_a_single_key_is_rehearsed_too(tmp_path: Path, change: str) -> None:
    path = tmp_path / "plain.yaml"
    path.write_text(
        "{name: plain, data: cifar10, recipe: wide-resnet, networks: [wrn-16-1], generations: {t: {loss: labels}}}"
    )

    request = sweep_request(path, tmp_path, [change], rehearse=True)

    assert request.plan.sweep == ("other-rehearsal" if change == "name=other" else "plain-rehearsal")
    for generation in request.plan.generations.values():
        assert (generation.data.limit, generation.data.test_limit) == (16, 8)
        assert generation.data.validation <= 8
        assert (generation.recipe.epochs, generation.recipe.batch_size) == (1, 2)
    assert (request.spec.resources.workers, request.spec.resources.cpus_per_worker) == (None, 1)


def test_a_rehearsal_is_of_the_kind_of_data_that_the_user_sets(dress: Path, tmp_path: Path) -> None:
    changes = [
        "data=ptb",
        "recipe=lstm",
        "networks=[lstm]",
        "generations={teacher: {loss: labels}}",
        "ensembles={}",
        "diagnostics=false",
        "paper=",
    ]
    request = sweep_request(dress, tmp_path, changes, rehearse=True)

    (generation,) = request.plan.generations.values()
    assert generation.network == Lstm()
    assert (generation.data.limit, generation.data.test_limit) == (400, 100)
    assert isinstance(generation.recipe, LanguageRecipe)
    assert (generation.recipe.epochs, generation.recipe.batch_size, generation.recipe.window) == (1, 4, 10)


def test_what_does_not_fit_into_the_data_is_told_in_the_sweeps_own_figures(dress: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="validation: 5,000 do not fit into the 1,437 training images") as caught:
        sweep_request(dress, tmp_path, ["data.validation=5000"], rehearse=True)
    assert "limit: 16" not in caught.value.cause
