"""What is chosen, is chosen by validation data; and what may be spent is a number."""

from __future__ import annotations

import pytest

from bansweep.config.reading import parse_sweep
from bansweep.config.sweep import Budget, Select, metric_for
from bansweep.errors import Problem, SweepFileError

IMAGES = """\
name: chosen
data: {kind: digits, limit: 400, validation: 100}
recipe: wide-resnet
networks: [wrn-10-1]
generations: {teacher: {loss: labels}}
"""
TEXT = """\
name: chosen
data: ptb
recipe: lstm
networks: [lstm]
generations: {teacher: {loss: labels}}
"""


def problem_of(text: str) -> Problem:
    with pytest.raises(SweepFileError) as caught:
        parse_sweep(text)
    (problem,) = caught.value.problems
    assert problem.line == 6
    return problem


def test_the_metric_follows_the_data_unless_said_otherwise() -> None:
    assert metric_for(Select(), text=False) == "validation_error"
    assert metric_for(Select(), text=True) == "validation_perplexity"
    assert metric_for(Select(metric="validation_loss"), text=True) == "validation_loss"


@pytest.mark.parametrize("text", [IMAGES, TEXT])
@pytest.mark.parametrize("select", ["{}", "{metric: validation_loss}", "{epoch: best}", "{metric: null}"])
def test_what_may_be_selected_by(text: str, select: str) -> None:
    assert parse_sweep(f"{text}select: {select}\n").select.epoch in ("last", "best")


@pytest.mark.parametrize("metric", ["test_error", "test_perplexity", "test_loss"])
def test_nothing_is_chosen_by_test_data(metric: str) -> None:
    problem = problem_of(f"{IMAGES}select: {{metric: {metric}}}\n")
    assert problem.key == "select.metric"
    assert problem.message.startswith(f"'{metric}' is measured on test data")
    assert problem.message.endswith("choose by a validation metric")


@pytest.mark.parametrize(
    ("text", "select", "key", "message"),
    [
        (IMAGES, "", "select", "is empty"),
        (IMAGES, "best", "select", "expected a mapping, not 'best'"),
        (IMAGES, "{metric: validation_perplexity}", "select.metric", "digits has no validation_perplexity; it has"),
        (TEXT, "{metric: validation_error}", "select.metric", "ptb has no validation_error; it has"),
        (IMAGES, "{metric: [validation_loss]}", "select.metric", "not ['validation_loss']"),
        (IMAGES, "{metric: error}", "select.metric", "input should be 'validation_error'"),
        (IMAGES, "{epoch: 3}", "select.epoch", "input should be 'last' or 'best', not 3"),
        (IMAGES, "{epochs: best}", "select.epochs", "did you mean 'epoch'?"),
        (IMAGES.replace(", validation: 100", ""), "{epoch: best}", "select.epoch", "set data.validation"),
    ],
)
def test_what_cannot_be_selected_by(text: str, select: str, key: str, message: str) -> None:
    problem = problem_of(f"{text}select: {select}\n")
    assert problem.key == key
    assert message in problem.message


def test_a_budget() -> None:
    assert parse_sweep(f"{IMAGES}budget: {{gpu_hours: 2.5}}\n").budget == Budget(gpu_hours=2.5, at_limit="finish")
    assert parse_sweep(IMAGES).budget is None


@pytest.mark.parametrize(
    ("budget", "key", "message"),
    [
        ("3", "budget", "expected a mapping, not 3"),
        ("{at_limit: stop}", "budget", "'gpu_hours' is missing"),
        ("{gpu_hours: -1}", "budget.gpu_hours", "greater than or equal to 0, not -1"),
        ("{gpu_hours: .inf}", "budget.gpu_hours", "finite number, not inf"),
        ("{gpu_hours: }", "budget.gpu_hours", "is empty"),
        ("{gpu_hours: 1, at_limit: kill}", "budget.at_limit", "input should be 'finish' or 'stop', not 'kill'"),
    ],
)
def test_what_is_no_budget(budget: str, key: str, message: str) -> None:
    problem = problem_of(f"{IMAGES}budget: {budget}\n")
    assert problem.key == key
    assert message in problem.message
