"""What a sweep file may ask of the cluster, and what excludes what."""

from __future__ import annotations

import pytest

from bansweep.config.reading import parse_sweep
from bansweep.config.resources import Resources, RetryPolicy
from bansweep.errors import SweepFileError
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity

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


def test_retries_have_defaults_and_can_be_changed_one_by_one() -> None:
    assert parse_sweep(IMAGES).resources.retries == RetryPolicy(
        attempts_per_epoch=3,
        trial_restarts=100,
        worker_restarts=2,
        controller_restarts=1,
        lost_results=3,
        lease_wait_s=60.0,
    )
    changed = parse_sweep(IMAGES, ["resources.retries.worker_restarts=0"]).resources.retries
    assert changed == RetryPolicy(worker_restarts=0)


@pytest.mark.parametrize(
    "change",
    ["attempts_per_epoch=0", "trial_restarts=-1", "worker_restarts=1.5", "lost_results=many", "lease_wait_s=-1"],
)
def test_retries_are_counts(change: str) -> None:
    (problem,) = refusal_of(IMAGES, f"resources.retries.{change}")
    assert problem.startswith(f"resources.retries.{change.split('=')[0]}: ")


def test_retries_are_part_of_no_id() -> None:
    def ids(*changes: str) -> set[str]:
        sweep = parse_sweep(IMAGES, changes)
        return set(expand(sweep, DataIdentity(kind="digits", fingerprint="0" * 64)).generations)

    assert ids("resources.retries.attempts_per_epoch=9", "resources.retries.lease_wait_s=1") == ids()
