"""Students that do not fit their teachers are told what would."""

from __future__ import annotations

import pytest

from bansweep.config.reading import parse_sweep
from bansweep.errors import SweepFileError

SWEEP = """\
name: matched
data: cifar100
recipe: wide-resnet
networks: [densenet-40-12, wrn-28-1]
generations:
  teacher: {loss: labels, network: densenet-40-12}
  baseline: {loss: labels}
  ban: {loss: LOSS, teacher: teacher, shared_layers: SHARED, skip: [SKIPPED]}
"""


def sweep(loss: str = "kd", shared: str = "none", skip: str = "") -> str:
    return SWEEP.replace("LOSS", loss).replace("SHARED", shared).replace("SKIPPED", skip)


def problem_of(text: str) -> str:
    with pytest.raises(SweepFileError) as caught:
        parse_sweep(text, file="matched.yaml")
    (problem,) = caught.value.problems
    return str(problem)


@pytest.mark.parametrize("shared", ["frozen", "trained"])
def test_layers_that_do_not_fit_are_named_with_what_would(shared: str) -> None:
    assert problem_of(sweep(shared=shared)) == (
        "matched.yaml:8: generations.ban.shared_layers: in row 'wrn-28-1' the first and the last layer do not fit: "
        "wrn-28-1 has 16 channels after the first and 64 before the last, its teacher densenet-40-12 has 24 channels "
        "after the first and 66 before the last; what fits is densenet-40-12 itself, or a residual student of it: "
        "{kind: residual-student, block: basic, blocks: 2, ratio: 1, like: densenet-40-12}"
    )


def test_stages_that_cannot_be_compared_are_named_with_what_would() -> None:
    assert problem_of(sweep(loss="kd+activations")) == (
        "matched.yaml:8: generations.ban.loss: in row 'wrn-28-1' activations cannot be compared: the stages of "
        "wrn-28-1 give channels and resolution 16 at 1/1, 32 at 1/2, 64 at 1/4, those of its teacher densenet-40-12 "
        "give channels and resolution 48 at 1/2, 60 at 1/4, 66 at 1/4; what fits is densenet-40-12 itself, or a "
        "residual student of it: {kind: residual-student, block: basic, blocks: 2, ratio: 1, like: densenet-40-12}"
    )


@pytest.mark.parametrize("text", [sweep(shared="frozen", skip="wrn-28-1"), sweep("kd+activations", skip="wrn-28-1")])
def test_rows_that_are_skipped_need_not_fit(text: str) -> None:
    parse_sweep(text)


def test_what_is_offered_fits() -> None:
    offered = "{kind: residual-student, block: basic, blocks: 2, ratio: 1, like: densenet-40-12}"
    for text in (sweep(shared="frozen"), sweep("kd+activations")):
        parse_sweep(text.replace("wrn-28-1", offered))


def test_nothing_has_to_fit_for_distillation_alone() -> None:
    parse_sweep(sweep())


def test_shared_layers_need_somebody_to_share_with() -> None:
    text = sweep().replace("baseline: {loss: labels}", "baseline: {loss: labels, shared_layers: frozen}")
    assert "'teacher' is missing: 'shared_layers' takes layers of the column that teaches" in problem_of(text)


def test_a_generation_may_learn_from_labels_in_its_teachers_outer_layers() -> None:
    text = sweep(loss="labels", shared="frozen", skip="wrn-28-1")
    assert parse_sweep(text).generations["ban"].teacher == "teacher"
    assert "remove it" in problem_of(sweep(loss="labels"))


def test_an_unknown_way_of_sharing_is_refused() -> None:
    assert "'none', 'frozen' or 'trained'" in problem_of(sweep(shared="melted"))
