"""What a sweep file may ask of the cluster, and what excludes what."""

from __future__ import annotations

import pytest

from bansweep.config.reading import parse_sweep
from bansweep.config.resources import Resources
from bansweep.errors import SweepFileError

IMAGES = """\
name: pictures
data: digits
recipe: wide-resnet
networks: [wrn-10-1]
generations: {teacher: {loss: labels}}
"""
TEXT = """\
name: words
data: ptb
recipe: lstm
networks: [lstm]
generations: {teacher: {loss: labels}}
"""


def refusal_of(text: str, *changes: str) -> list[str]:
    with pytest.raises(SweepFileError) as caught:
        parse_sweep(text, changes, file="f.yaml")
    return [f"{problem.key}: {problem.message}" for problem in caught.value.problems]


def test_activations_are_kept_unless_said_otherwise() -> None:
    assert Resources().recompute is False
    assert parse_sweep(IMAGES, ["resources.recompute=true"]).resources.recompute is True


@pytest.mark.parametrize("compiled", ["null", "false"])
def test_recomputing_goes_without_compiling(compiled: str) -> None:
    resources = parse_sweep(IMAGES, ["resources.recompute=true", f"resources.compile={compiled}"]).resources
    assert resources.recompute
    assert not resources.compile


def test_compiling_and_recomputing_exclude_each_other() -> None:
    (problem,) = refusal_of(IMAGES, "resources={compile: true, recompute: true}")
    assert problem.startswith("resources: compile: true and recompute: true exclude each other")
    assert problem.endswith("remove one of them")


def test_language_models_do_not_recompute() -> None:
    assert refusal_of(TEXT, "resources.recompute=true") == [
        "resources.recompute: language models keep their activations; remove it"
    ]
    assert not parse_sweep(TEXT, ["resources.recompute=false"]).resources.recompute


@pytest.mark.parametrize(
    ("resources", "several"),
    [
        ("gpus_per_worker: 2", 2),
        ("gpus_per_worker: 1.5", 2),
        ("gpus_per_worker: 64", 64),
        ("gpus_per_worker: 4, workers: 0", 4),
        ("gpus_per_worker: 2, workers: 3", 6),
        ("gpus_per_worker: 1.0e+308", 4096),
    ],
)
def test_a_worker_has_no_more_than_one_gpu(resources: str, several: int) -> None:
    (problem,) = refusal_of(IMAGES, f"resources={{{resources}}}")
    assert "is more than the one GPU that a worker can use" in problem
    assert problem.endswith(f"write workers: {several} with gpus_per_worker: 1")
    assert parse_sweep(IMAGES, [f"resources={{workers: {several}, gpus_per_worker: 1}}"]).resources.workers == several


@pytest.mark.parametrize("gpus", ["0", "0.25", "1", "1.0"])
def test_a_worker_may_have_a_gpu_a_part_of_one_or_none(gpus: str) -> None:
    resources = parse_sweep(IMAGES, [f"resources={{workers: 0, gpus_per_worker: {gpus}}}"]).resources
    assert resources.gpus_per_worker == float(gpus)
