"""What a sweep file may search for, and what it is told where it may not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bansweep.config.hyperparameters import Choice, Grid, LogUniform
from bansweep.config.reading import parse_sweep
from bansweep.config.search import Asha, Median, Search
from bansweep.config.sweep import SweepSpec
from bansweep.errors import Problem, SweepFileError

SWEEP = """\
name: searched
data: {kind: digits, limit: 400, validation: 100}
recipe: {base: wide-resnet, epochs: 9}
networks: [wrn-10-1]
generations:
  teacher: {loss: labels}
  ban: {loss: kd, teacher: teacher}
"""
LINE = len(SWEEP.splitlines()) + 1


def searched(search: str, *overrides: str, text: str = SWEEP) -> SweepSpec:
    return parse_sweep(f"{text}search: {search}\n", overrides, file="demo.yaml")


def parameters(written: str, rest: str = "candidates: 4") -> str:
    return f"{{parameters: {{{written}}}, {rest}}}"


def problems_of(search: str, *overrides: str, text: str = SWEEP) -> tuple[Problem, ...]:
    with pytest.raises(SweepFileError) as caught:
        searched(search, *overrides, text=text)
    return caught.value.problems


def problem_of(search: str, *overrides: str, text: str = SWEEP) -> Problem:
    (problem,) = problems_of(search, *overrides, text=text)
    return problem


def search_of(sweep: SweepSpec, column: str = "ban") -> Search:
    search = sweep.search_in(sweep.generations[column])
    assert search is not None
    return search


def test_a_search_of_the_whole_sweep() -> None:
    sweep = searched("{parameters: {recipe.learning_rate: {loguniform: [0.01, 1]}}, candidates: 8, pruner: asha}")
    search = search_of(sweep)
    assert search is sweep.search
    assert search_of(sweep, "teacher") is search
    assert search.parameters == {"recipe.learning_rate": LogUniform(low=0.01, high=1)}
    assert (search.sampling, search.size, search.pruner, search.keep) == ("random", 8, Asha(), "winner")


def test_a_columns_search_takes_the_place_of_the_sweeps() -> None:
    own = "{parameters: {loss.temperature: {grid: [1, 2, 4]}}, pruner: {kind: median, startup: 5}}"
    text = SWEEP.replace("loss: kd,", f"loss: kd, search: {own},").replace("labels}", "labels, search: none}")
    sweep = searched(parameters("recipe.momentum: [0.8, 0.9]"), text=text)
    assert sweep.search_in(sweep.generations["teacher"]) is None
    search = search_of(sweep)
    assert search.parameters == {"loss.temperature": Grid(values=(1, 2, 4))}
    assert (search.sampling, search.size, search.pruner) == ("grid", 3, Median(startup=5))


def test_the_size_of_a_grid_is_its_points() -> None:
    search = search_of(searched(parameters("recipe.momentum: {grid: [0, 0.9]}, recipe.nesterov: {grid: [false]}", "")))
    assert search.size == 2
    lists = "recipe.weight_decay: [0, 1e-4, 1e-3], recipe.learning_rate: {grid: [0.1, 0.2]}"
    assert search_of(searched(parameters(lists, "sampler: grid"))).size == 6
    assert search_of(searched(parameters(lists, "sampler: grid, candidates: 6"))).size == 6


@pytest.mark.parametrize(
    ("search", "key", "message"),
    [
        ("[]", "", "expected a mapping, not []"),
        ("none", "", "expected a mapping, not 'none'"),
        ("{}", "", "'parameters' is missing"),
        ("{parameters: {}, candidates: 3}", ".parameters", "needs at least one entry"),
        ("{parameters: , candidates: 3}", ".parameters", "is empty"),
        ("{parameters: [recipe.epochs], candidates: 3}", ".parameters", "expected a mapping, not ['recipe.epochs']"),
        (parameters("recipe.momentum: [0.8]", ""), "", "'candidates' is missing: say how many"),
        (parameters("recipe.momentum: [0.8]", "candidates: 0"), ".candidates", "greater than or equal to 1, not 0"),
        (parameters("recipe.momentum: [0.8]", "candidates: x"), ".candidates", "expected a whole number, not 'x'"),
        (parameters("recipe.momentum: {grid: [0.8, 0.9]}", "candidates: 3"), ".candidates", "the grid has, 2"),
        (parameters("recipe.momentum: {grid: [0.8]}", "sampler: tpe, candidates: 1"), ".sampler", "is a grid: use"),
        (parameters("recipe.momentum: {uniform: [0.1, 0.8]}", "sampler: grid"), ".sampler", "recipe.momentum is uni"),
        (parameters("recipe.momentum: {grid: [0.8]}, recipe.epochs: [3]"), "", "recipe.momentum is a grid: use choice"),
        (parameters("recipe.momentum: [0.8]", "candidates: 3, sampler: bayes"), ".sampler", "not 'bayes'"),
        (parameters("recipe.momentum: [0.8]", "candidates: 3, pruner: ash"), ".pruner", "unknown kind 'ash'; did you"),
        (parameters("recipe.momentum: [0.8]", "candidates: 3, pruner: 3"), ".pruner", "expected a mapping, not 3"),
        (parameters("recipe.momentum: [0.8]", "candidates: 3, keep: none"), ".keep", "'winner' or 'all', not 'none'"),
        (parameters("recipe.epochs: [3, 9]", "candidates: 2, pruner: asha"), ".pruner", "or recipe.epochs from the"),
        (
            parameters("recipe.augmentation: [null], recipe.augmentation.pad: [1]"),
            ".parameters",
            "is a part of recipe.",
        ),
        (parameters("recipe.momentum: [0.8]", "candidates: 3, paralel: 2"), ".paralel", "did you mean 'parallel'?"),
    ],
)
def test_a_wrong_search_has_one_problem_with_its_line_and_key(search: str, key: str, message: str) -> None:
    problem = problem_of(search)
    assert (problem.file, problem.line, problem.key) == ("demo.yaml", LINE, f"search{key}")
    assert message in problem.message


@pytest.mark.parametrize("search", ["[]", "{}", "3", "{parameters: {}, candidates: 1}"])
def test_a_columns_wrong_search_is_told_once(search: str) -> None:
    with pytest.raises(SweepFileError) as caught:
        parse_sweep(SWEEP.replace("loss: kd,", f"loss: kd, search: {search},"))
    (problem,) = caught.value.problems
    assert problem.line == 7
    assert problem.key.startswith("generations.ban.search")


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("learning_rate", "[1]", "a key begins with recipe., loss. or network."),
        ("recipe.lr", "[1]", "'recipe' has no 'lr'; known: augmentation, batch_size"),
        ("recipe.learning_rate", "[0.1, -1]", "input should be greater than 0, not -1"),
        ("recipe.learning_rate", "[0.1, x]", "expected a number, not 'x'"),
        ("recipe.learning_rate", "{uniform: [0, 1]}", "input should be greater than 0, not 0.0"),
        ("recipe.learning_rate", "[1, 1.0]", "1.0 is the same as 1; remove one of them"),
        ("recipe.augmentation", "[{}, {pad: 4}]", '{"pad": 4} is the same as {}'),
        ("recipe.augmentation", "[{pod: 4}]", "recipe.augmentation.pod: unknown key 'pod'"),
        ("recipe.decay_at", "[[0.6, 0.3]]", "where recipe.decay_at=[0.6, 0.3]: decay_at must rise"),
        ("recipe.momentum", "{uniform: [0, 0.9]}", "where recipe.momentum=0.0: nesterov needs a momentum above 0"),
        ("recipe.batch_size", "{uniform: [8, 64]}", "{int: [...]} draws whole numbers"),
        ("network.kind", "[densenet]", "kinds cannot be searched: give them rows or columns of their own"),
        ("network.depth", "[10, 11]", "6n + 4: 11 is not"),
        ("network.depth", "{int: [10, 22]}", "not every number of a range can be: list those that can"),
        ("loss.temperature", "[1, 2]", "'labels' has no 'temperature'; known: smoothing; in column 'teacher', which"),
        ("loss.smoothing", "[0, 0.1]", "'kd' has no 'smoothing'; known: temperature; in column 'ban', which"),
        ("loss.weight", "[1]", "'labels' has no 'weight'; known: smoothing"),
    ],
)
def test_a_key_that_cannot_have_its_values(key: str, values: str, message: str) -> None:
    problem = problem_of(parameters(f"{key}: {values}"))
    assert (problem.line, problem.key) == (LINE, f"search.parameters.{key}")
    assert message in problem.message
    assert ("in column" in problem.message) == ("in column" in message), "only where another column differs"


def test_every_wrong_key_is_told_at_once() -> None:
    found = problems_of(parameters("recipe.lr: [1], recipe.momentum: [2], loss.x: [1], network.width: [0]"))
    assert [problem.key.removeprefix("search.parameters.") for problem in found] == [
        "recipe.lr",
        "recipe.momentum",
        "loss.x",
        "network.width",
    ]


def test_values_that_do_not_go_together() -> None:
    both = "recipe.nesterov: [true, false], recipe.momentum: [0.0, 0.9]"
    plain = SWEEP.replace("epochs: 9", "epochs: 9, nesterov: false")
    for text in (SWEEP, plain):
        problem = problem_of(parameters(both), text=text)
        assert problem.key == "search.parameters"
        assert problem.message.startswith("where recipe.nesterov=true and recipe.momentum=0.0: nesterov needs")
    # What would not go with the file's own value may go with the searched one.
    assert searched(parameters(both.replace("true, ", ""))).search


def test_a_row_that_has_no_such_key_is_named() -> None:
    rows = SWEEP.replace("[wrn-10-1]", "[wrn-10-1, densenet-40-12]")
    problem = problem_of(parameters("network.width: [1, 2]"), text=rows)
    assert "'densenet' has no 'width'" in problem.message
    assert problem.message.endswith("in row 'densenet-40-12'")
    own = "[wrn-10-1, {network: wrn-16-1, recipe: {base: wide-resnet, augmentation: null}}]"
    problem = problem_of(parameters("recipe.augmentation.pad: [1, 2]"), text=SWEEP.replace("[wrn-10-1]", own))
    assert problem.message == "recipe.augmentation is null here and has no parts; so in row 'wrn-16-1'"
    skipped = rows.replace("labels}", "labels, skip: [densenet-40-12]}").replace(
        "teacher: teacher", "teacher: teacher, skip: [densenet-40-12]"
    )
    assert searched(parameters("network.width: [1, 2]"), text=skipped).search


@pytest.mark.parametrize("column", ["{loss: labels, shared_layers: frozen, teacher: ban}", "{loss: kd+activations}"])
def test_networks_that_others_must_fit_are_not_searched(column: str) -> None:
    column = column if "teacher" in column else column.replace("}", ", teacher: ban}")
    problem = problem_of(parameters("network.width: [1, 2]"), text=f"{SWEEP}  fitting: {column}\n")
    assert problem.key == "search.parameters.network.width"
    assert "shapes must match" in problem.message


def test_lengths_may_be_searched_where_nothing_is_pruned() -> None:
    search = search_of(searched(parameters("recipe.epochs: {int: [3, 9]}, recipe.batch_size: [8, 16]")))
    assert search.pruner is None


def test_a_grid_has_an_end() -> None:
    steps = ", ".join(str(number) for number in range(1, 400))
    lists = f"recipe.learning_rate: {{grid: [{steps}]}}, recipe.weight_decay: {{grid: [{steps}]}}"
    assert "the grid has 159,201 points, more than 100,000" in problem_of(parameters(lists, "")).message


def test_a_search_needs_validation_images() -> None:
    text = SWEEP.replace(", validation: 100", "")
    problem = problem_of(parameters("recipe.momentum: [0.8]"), text=text)
    assert (problem.key, problem.line) == ("search", LINE)
    assert "set data.validation" in problem.message


def test_overrides_reach_into_a_search() -> None:
    search = parameters("recipe.momentum: [0.8]", "candidates: 8, pruner: asha")
    changed = search_of(
        searched(
            search,
            "search.candidates=3",
            "search.parameters.recipe.momentum=[0.7, 0.9]",
            "search.parameters.recipe.learning_rate=[0.1, 0.2]",
            "search.pruner.grace=2",
        )
    )
    assert (changed.size, changed.pruner) == (3, Asha(grace=2))
    assert changed.parameters == {
        "recipe.momentum": Choice(values=(0.7, 0.9)),
        "recipe.learning_rate": Choice(values=(0.1, 0.2)),
    }
    begun = parse_sweep(SWEEP, ["search.parameters.recipe.learning_rate=[0.1, 0.2]", "search.candidates=2"])
    assert search_of(begun).parameters == {"recipe.learning_rate": Choice(values=(0.1, 0.2))}
    assert searched(search, "search=null").search is None
    problem = problem_of(search, "search.parameters.recipe.lr=[1]")
    assert (problem.file, problem.key) == ("--set search.parameters.recipe.lr=[1]", "search.parameters.recipe.lr")


WORDS = ["recipe.epochs", "recipe.momentum", "network.width", "loss.kind", "loss.temperature", "x", ""]
DISTRIBUTIONS = ["uniform", "loguniform", "int", "choice", "grid", "kind", "low", "high", "values"]
KEYS = ["parameters", "candidates", "sampler", "pruner", "keep", "length", "loss", "teacher", "stop", "name", "epoch"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([*WORDS, *DISTRIBUTIONS, "kd", "asha"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*WORDS, *DISTRIBUTIONS, *KEYS, "metric", "gpu_hours"]), inner, max_size=4)
    ),
    max_leaves=12,
)
SEARCHES = st.fixed_dictionaries(
    {
        "parameters": st.dictionaries(st.sampled_from(WORDS), ANYTHING, max_size=3),
        "candidates": ANYTHING,
    }
)


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries(
        {}, optional={"search": SEARCHES | ANYTHING, "chain": ANYTHING, "select": ANYTHING, "budget": ANYTHING}
    ),
    ANYTHING | SEARCHES,
)
def test_nonsense_is_told_and_never_a_traceback(given_keys: dict[str, Any], own: Any) -> None:
    text = SWEEP.replace("loss: kd,", f"loss: kd, search: {as_yaml(own)},")
    text += "".join(f"{key}: {as_yaml(value)}\n" for key, value in given_keys.items())
    try:
        sweep = parse_sweep(text)
    except SweepFileError as error:
        problems = error.problems
        assert len({(problem.key, problem.message) for problem in problems}) == len(problems), "each once"
        assert all(problem.line for problem in problems if not problem.message.startswith("..."))
    else:
        assert parse_sweep(text) == sweep


def as_yaml(value: Any) -> str:
    return json.dumps(value).replace("-Infinity", "-.inf").replace("Infinity", ".inf").replace("NaN", ".nan")
