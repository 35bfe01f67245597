"""Tests wait for conditions, within limits of one scale: none has a limit of its own that a busy machine exceeds."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from patience import PROCESS_S, RAY_TEST_S, SWEEP_S, wait_for

TESTS = Path(__file__).parent
WAITING = {"communicate", "wait", "join", "result", "run", "check_output", "check_call", "urlopen", "wait_for"}
CLOCKS = {"monotonic", "perf_counter", "time"}


def name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def is_number(node: ast.expr) -> bool:
    """Whether it is a number of seconds that ends a wait; less than one is the pause of a loop that looks again."""
    return isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value >= 1


def reads_a_clock(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Call) and name_of(part.func) in CLOCKS for part in ast.walk(node))


def own_limits(tree: ast.AST) -> Iterator[int]:
    """Lines that state seconds as a number: to a call that waits, in a deadline, as a longest duration, to pytest."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=function) if name_of(function) in WAITING:
                limits = [one.value for one in node.keywords if one.arg in ("timeout", "timeout_s", "limit_s")]
                if any(map(is_number, limits + (node.args[:1] if name_of(function) != "run" else []))):
                    yield node.lineno
            case ast.Call(func=ast.Attribute(attr="timeout", value=ast.Attribute(attr="mark"))):
                if any(map(is_number, node.args)):
                    yield node.lineno
            case ast.BinOp(left=left, op=ast.Add(), right=right) if is_number(right) and reads_a_clock(left):
                yield node.lineno
            case ast.Compare(left=left, ops=[ast.Lt() | ast.LtE()], comparators=[bound]) if is_number(bound):
                if isinstance(left, ast.BinOp) and reads_a_clock(left):
                    yield node.lineno


def scripts_in(tree: ast.AST) -> Iterator[ast.AST]:
    """The programs that tests start as processes, which they hold as text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\nimport " in f"\n{node.value}":
            try:
                yield ast.parse(node.value)
            except SyntaxError:
                continue


def test_no_test_has_a_limit_of_its_own() -> None:
    found = []
    for file in sorted(TESTS.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        found += [f"{file.relative_to(TESTS)}:{line}" for line in own_limits(tree)]
        found += [
            f"{file.relative_to(TESTS)}: line {line} of a script"
            for one in scripts_in(tree)
            for line in own_limits(one)
        ]
    assert found == [], "use the limits of tests/patience.py"


@pytest.mark.parametrize(
    "line",
    [
        "process.communicate(timeout=60)",
        "process.wait(30)",
        "subprocess.run(command, timeout=240.0)",
        "deadline = time.monotonic() + 5",
        "assert time.perf_counter() - begun < 5",
        "pytestmark = pytest.mark.timeout(60)",
    ],
)
def test_limits_are_found(line: str) -> None:
    assert list(own_limits(ast.parse(line))) == [1]
    (script,) = scripts_in(ast.parse(repr(f"\nimport time\n{line}\n")))
    assert list(own_limits(script)) == [3]


@pytest.mark.parametrize(
    "line",
    [
        "process.communicate(timeout=PROCESS_S)",
        "process.wait()",
        "ended.wait(0.05)",
        "assert time.monotonic() - begun >= 4",
    ],
)
def test_what_is_no_limit_is_left_alone(line: str) -> None:
    assert list(own_limits(ast.parse(line))) == []


def test_pytests_own_limit_is_the_longest() -> None:
    settings = tomllib.loads((TESTS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["pytest"]["ini_options"]["timeout"] > PROCESS_S
    assert RAY_TEST_S > 2 * SWEEP_S


def test_an_example_may_take_its_time() -> None:
    assert hypothesis.settings().deadline is None
    assert hypothesis.HealthCheck.too_slow in hypothesis.settings().suppress_health_check


@pytest.mark.ray
def test_a_test_that_starts_ray_is_given_more_time(request: pytest.FixtureRequest) -> None:
    marker = request.node.get_closest_marker("timeout")
    assert marker is not None
    assert marker.args == (RAY_TEST_S,)


def test_waiting_ends_when_the_condition_is_true_or_the_time_is_up() -> None:
    answers = iter([False, False, True])
    wait_for(lambda: next(answers))
    assert list(answers) == []
    with pytest.raises(AssertionError, match="did not become true"):
        wait_for(lambda: False, limit_s=PROCESS_S * 1e-6)
